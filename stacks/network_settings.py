"""The network of an environment: a VPC of its own or the team's, its endpoints, and what may leave it.

Never imports aws_cdk, see stacks/settings.py.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, field_validator

from hf_sagemaker import service_regions
from stacks.settings_base import Problem, Settings


def _resource_id(prefix: str) -> object:
    return Field(pattern=rf"^{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})$", description=f"for example {prefix}-0a1b2c3d")


SubnetId = Annotated[str, _resource_id("subnet")]
SecurityGroupIds = Annotated[list[Annotated[str, _resource_id("sg")]], Field(min_length=1, max_length=5)]
Zone = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d[a-z]$")]

_PRIVATE = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
_CONTAINERS = ipaddress.IPv4Network("172.17.0.0/16")
_SMALLEST_SUBNET = 64
"""Addresses: AWS keeps five, each interface endpoint takes one, the others are for instances."""
_EGRESS_SUBNETS = 2 * 16
"""Addresses per zone, kept for the subnets of the egress modes, so that changing the mode moves no other subnet."""


class TeamVpcSettings(Settings):
    """A VPC that the team has already. Nothing in it is changed; its routes and network ACLs are the team's."""

    vpc_id: Annotated[str, _resource_id("vpc")]
    subnet_ids: list[SubnetId] = Field(min_length=1, max_length=6)
    """Where jobs, endpoints and interface endpoints go: one subnet per zone, in the order of `availability_zones`."""
    route_table_ids: list[Annotated[str, _resource_id("rtb")]] = []
    """Those of the subnets: our S3 gateway endpoint is entered there. Empty when `s3_endpoint_id` is given."""
    job_security_group_ids: SecurityGroupIds | None = None
    """Of training jobs. Omitted: one is created, whose members reach each other, and on
    port 443 whatever the team's routes lead to."""
    endpoint_security_group_ids: SecurityGroupIds | None = None
    """Of SageMaker endpoints. Omitted: one is created, which reaches on port 443 whatever the team's
    routes lead to."""
    build_security_group_ids: SecurityGroupIds | None = None
    """Of image builds, where `builds` has them in the network. Omitted: one is created, which reaches on port 443, and
    on the ports of the package index and the apt proxy, whatever the team's routes lead to."""
    s3_endpoint_id: Annotated[str, _resource_id("vpce")] | None = None
    """The team's S3 gateway endpoint; buckets admit jobs through it only. Omitted: one is created."""


class InterfaceEndpointSettings(Settings):
    """The interface endpoints: what an idle network costs, see docs/network.md."""

    owner: Literal["environment", "shared"] = "environment"
    """environment: created here. shared: the team's VPC (`vpc`) has them already, with policies of the team's."""
    zones: Literal["all", "one"] = "all"
    """all: a network interface per zone. one: in the first zone only; if that zone fails, the services are out of
    reach from every zone."""


class NetworkSettings(Settings):
    """The private network that jobs and endpoints run in."""

    cidr: str = "10.0.0.0/16"
    """Address range of the VPC, a private one of /16 to /24."""
    availability_zones: list[Zone] = Field(min_length=2, max_length=6)
    """Zones by name, so that synth asks AWS nothing. An interface endpoint is paid for in each of them."""
    vpc: TeamVpcSettings | None = None
    """The team's VPC, by ids that nobody looks up. Omitted: a VPC is created."""
    egress: Literal["none", "nat", "mirror-only"] = "none"
    """Who may leave the VPC. none: nobody, there is no way out. nat: everything in it, on port 443. mirror-only: only
    the build that mirrors models from the Hub."""
    interface_endpoints: InterfaceEndpointSettings = InterfaceEndpointSettings()
    organization_id: Annotated[str, Field(pattern=r"^o-[a-z0-9]{10,32}$")] | None = None
    """AWS organisation whose principals and resources the VPC endpoints admit. Omitted: those of this account only."""
    flow_log_days: Literal[7, 14, 30, 60, 90, 180, 365] = 30
    """Days for which flow logs are kept."""

    @field_validator("cidr")
    @classmethod
    def _private_range(cls, value: str) -> str:
        try:
            network = ipaddress.IPv4Network(value)
        except ValueError as error:
            raise ValueError(f"must be an IPv4 range such as 10.0.0.0/16 ({error})") from None
        if not any(network.subnet_of(private) for private in _PRIVATE) or not 16 <= network.prefixlen <= 24:
            raise ValueError("must be a private IPv4 range of /16 to /24, for example 10.0.0.0/16")
        if network.overlaps(_CONTAINERS):
            raise ValueError(f"must not overlap with {_CONTAINERS}, which SageMaker's containers use themselves")
        return value

    @field_validator("availability_zones")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("must name each zone once")
        return value

    def problems(self, region: str) -> list[Problem]:
        """What no single field can know, for an environment in this region."""
        found = self._region_problems(region)
        found += self._team_problems(self.vpc) if self.vpc else self._own_problems()
        return [(f"network.{path}", value, reason) for path, value, reason in found]

    def _region_problems(self, region: str) -> list[Problem]:
        return [
            (f"availability_zones.{i}", zone, f"must be a zone of {region}, for example {region}a")
            for i, zone in enumerate(self.availability_zones)
            if zone[:-1] != region
        ]

    def _own_problems(self) -> list[Problem]:
        found: list[Problem] = []
        zones = len(self.availability_zones)
        longest = next(length for length in range(24, 15, -1) if _fits(length, zones))
        if ipaddress.IPv4Network(self.cidr).prefixlen > longest:
            found.append(
                (
                    "cidr",
                    self.cidr,
                    f"must be a range of /{longest} or larger: {zones} zones need a subnet of at least "
                    f"{_SMALLEST_SUBNET} addresses each, and {_EGRESS_SUBNETS} addresses each for a way out",
                )
            )
        if self.interface_endpoints.owner == "shared":
            found.append(
                (
                    "interface_endpoints.owner",
                    "shared",
                    "must be environment without network.vpc: a VPC that is created here has no endpoints to share",
                )
            )
        return found

    def _team_problems(self, vpc: TeamVpcSettings) -> Iterator[Problem]:
        if "cidr" in self.model_fields_set:
            yield "cidr", self.cidr, "must be left out with network.vpc, whose range is the team's"
        if self.egress != "none":
            yield (
                "egress",
                self.egress,
                "must be none with network.vpc: the routes of that VPC are the team's, and nothing is added to them",
            )
        if len(vpc.subnet_ids) != len(self.availability_zones):
            yield (
                "vpc.subnet_ids",
                vpc.subnet_ids,
                f"must be one subnet for each of the {len(self.availability_zones)} zones of "
                f"network.availability_zones, and these are {len(vpc.subnet_ids)}",
            )
        if len(set(vpc.subnet_ids)) != len(vpc.subnet_ids):
            yield "vpc.subnet_ids", vpc.subnet_ids, "must name each subnet once"
        yield from self._s3_problems(vpc)
        if self.interface_endpoints.owner == "shared" and self.interface_endpoints.zones == "one":
            yield "interface_endpoints.zones", "one", "must be left out with owner: shared, which creates none"

    def _s3_problems(self, vpc: TeamVpcSettings) -> Iterator[Problem]:
        if vpc.s3_endpoint_id and vpc.route_table_ids:
            yield (
                "vpc.route_table_ids",
                vpc.route_table_ids,
                "must be empty with s3_endpoint_id: that endpoint is in the route tables already",
            )
        elif not vpc.s3_endpoint_id and self.interface_endpoints.owner == "shared":
            yield (
                "vpc.s3_endpoint_id",
                None,
                "must be the team's S3 gateway endpoint (vpce-…) with interface_endpoints.owner: shared, which "
                "creates no endpoint of any kind",
            )
        elif not vpc.s3_endpoint_id and not vpc.route_table_ids:
            yield (
                "vpc.route_table_ids",
                [],
                "must name the route tables of the subnets, for our S3 gateway endpoint; or s3_endpoint_id names the "
                "team's own",
            )


def _fits(prefix_length: int, zones: int) -> bool:
    """Whether a range holds what a VPC in so many zones needs, as the CDK divides it: equal powers of two."""
    left = (1 << (32 - prefix_length)) - zones * _EGRESS_SUBNETS
    return left // zones >= _SMALLEST_SUBNET


def service_problems(region: str) -> list[Problem]:
    """Why an environment cannot be in this region; empty when every service that it needs is there."""
    try:
        missing = service_regions.missing_services(region)
    except service_regions.UnknownRegionError as error:
        return [("region", region, str(error))]
    if not missing:
        return []
    return [
        (
            "region",
            region,
            f"must be a region that has every service an environment needs: {region} has no {', no '.join(missing)}",
        )
    ]


def overlaps(networks: Mapping[str, NetworkSettings]) -> list[tuple[str, Problem]]:
    """Environment and problem for each pair of created VPCs that share addresses: they could never be peered."""
    own = {name: ipaddress.IPv4Network(n.cidr) for name, n in networks.items() if n.vpc is None}
    return [
        (
            second,
            (
                "network.cidr",
                str(own[second]),
                f"must not overlap with {own[first]}, the network of {first}: networks that share addresses can never "
                "be connected",
            ),
        )
        for first, second in combinations(own, 2)
        if own[first].overlaps(own[second])
    ]
