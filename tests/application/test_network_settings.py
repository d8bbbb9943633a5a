"""The network's settings: what is refused, and how it is said."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_sagemaker import service_regions, update_catalogs
from hf_sagemaker.service_regions import UnknownRegionError, missing_services
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
TEAM = {
    "vpc_id": "vpc-0a1b2c3d",
    "subnet_ids": ["subnet-0a1b2c3d", "subnet-0a1b2c3e"],
    "route_table_ids": ["rtb-0a1b2c3d"],
}


def _environment(region: str = "us-east-1", **network: object) -> dict[str, Any]:
    """dev, with these fields of its network; None takes a field away."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    zones = [f"{region}a", f"{region}b"]
    fields = content["network"] | {"availability_zones": zones} | network
    content["region"] = region
    content["network"] = {name: value for name, value in fields.items() if value is not None}
    return content


def _load(folder: Path, **environments: dict[str, Any]) -> list[str]:
    """The problems of these files, one paragraph each; none when they are sound."""
    for name, content in environments.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    try:
        load_environments(folder)
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    "network",
    [
        {"egress": "nat"},
        {"egress": "mirror-only", "organization_id": "o-a1b2c3d4e5"},
        {"interface_endpoints": {"zones": "one"}},
        {"cidr": None, "vpc": TEAM},
        {"cidr": None, "vpc": TEAM | {"route_table_ids": [], "s3_endpoint_id": "vpce-0a1b2c3d"}},
        {
            "cidr": None,
            "vpc": TEAM | {"route_table_ids": [], "s3_endpoint_id": "vpce-0a1b2c3d"},
            "interface_endpoints": {"owner": "shared"},
        },
        {"cidr": None, "vpc": TEAM | {"vpc_id": "vpc-0123456789abcdef0", "job_security_group_ids": ["sg-0a1b2c3d"]}},
    ],
)
def test_every_choice_is_accepted(tmp_path: Path, network: dict[str, Any]) -> None:
    assert _load(tmp_path, dev=_environment(**network)) == []


@pytest.mark.parametrize(
    ("network", "path", "reason"),
    [
        ({"cidr": "10.0.0.0"}, 'cidr is "10.0.0.0"', "private IPv4 range of /16 to /24"),
        ({"cidr": "ten"}, "cidr", "must be an IPv4 range such as 10.0.0.0/16"),
        ({"cidr": "10.0.0.1/16"}, "cidr", "has host bits set"),
        ({"cidr": "8.8.0.0/16"}, "cidr", "private IPv4 range"),
        ({"cidr": "172.17.0.0/20"}, "cidr", "which SageMaker's containers use themselves"),
        (
            {"cidr": "10.0.0.0/24", "availability_zones": ["us-east-1a", "us-east-1b", "us-east-1c"]},
            'cidr is "10.0.0.0/24"',
            "must be a range of /23 or larger: 3 zones",
        ),
        ({"egress": "some"}, "egress", "must be 'none', 'nat' or 'mirror-only'"),
        ({"organization_id": "acme"}, "organization_id", "must be text matching"),
        ({"interface_endpoints": {"owner": "shared"}}, "interface_endpoints.owner", "without network.vpc"),
    ],
)
def test_a_wrong_network_is_refused(tmp_path: Path, network: dict[str, Any], path: str, reason: str) -> None:
    (problem,) = _load(tmp_path, dev=_environment(**network))
    assert f"dev.yaml: network.{path}" in problem
    assert reason in problem


@pytest.mark.parametrize(
    ("change", "others", "path", "reason"),
    [
        ({"vpc_id": "my-vpc"}, {}, "vpc.vpc_id", "must be text matching ^vpc-"),
        ({"subnet_ids": ["subnet-1", "subnet-0a1b2c3e"]}, {}, "vpc.subnet_ids.0", "must be text matching ^subnet-"),
        ({"subnet_ids": ["subnet-0a1b2c3d"]}, {}, "vpc.subnet_ids", "one subnet for each of the 2 zones"),
        ({"subnet_ids": ["subnet-0a1b2c3d"] * 2}, {}, "vpc.subnet_ids", "each subnet once"),
        ({"route_table_ids": []}, {}, "vpc.route_table_ids", "must name the route tables"),
        ({"s3_endpoint_id": "vpce-0a1b2c3d"}, {}, "vpc.route_table_ids", "must be empty with s3_endpoint_id"),
        ({"job_security_group_ids": []}, {}, "vpc.job_security_group_ids", "at least 1 item"),
        ({}, {"cidr": "10.0.0.0/16"}, "cidr", "must be left out with network.vpc"),
        ({}, {"egress": "nat"}, "egress", "the routes of that VPC are the team's"),
        ({}, {"egress": "mirror-only"}, "egress", "must be none with network.vpc"),
        ({}, {"interface_endpoints": {"owner": "shared"}}, "vpc.s3_endpoint_id", "the team's S3 gateway endpoint"),
        (
            {"route_table_ids": [], "s3_endpoint_id": "vpce-0a1b2c3d"},
            {"interface_endpoints": {"owner": "shared", "zones": "one"}},
            "interface_endpoints.zones",
            "must be left out with owner: shared",
        ),
    ],
)
def test_a_wrong_team_vpc_is_refused(
    tmp_path: Path, change: dict[str, Any], others: dict[str, Any], path: str, reason: str
) -> None:
    (problem,) = _load(tmp_path, dev=_environment(**({"cidr": None} | others), vpc=TEAM | change))
    assert f"dev.yaml: network.{path}" in problem
    assert reason in problem


def test_all_contradictions_are_told_at_once(tmp_path: Path) -> None:
    network = {"egress": "nat", "vpc": TEAM | {"subnet_ids": ["subnet-0a1b2c3d"], "route_table_ids": []}}
    problems = _load(tmp_path, dev=_environment(**network))
    assert len(problems) == 4, problems  # cidr, egress, subnets, route tables


def test_networks_that_overlap_are_refused(tmp_path: Path) -> None:
    # Given two environments of which one holds the other's addresses, and a third that does not
    files = {"dev": "10.10.0.0/16", "prod": "10.10.128.0/20", "test": "10.11.0.0/16"}
    # When they are read
    (problem,) = _load(tmp_path, **{name: _environment(cidr=cidr) for name, cidr in files.items()})
    # Then one paragraph names both
    assert (
        'prod.yaml: network.cidr is "10.10.128.0/20": must not overlap with 10.10.0.0/16, the network of dev' in problem
    )


def test_a_team_vpc_overlaps_with_nothing_of_ours(tmp_path: Path) -> None:
    # Its range is not ours to know; the default of the field that is left out must not count.
    dev, prod = _environment(cidr="10.0.0.0/16"), _environment(cidr=None, vpc=TEAM)
    assert _load(tmp_path, dev=dev, prod=prod) == []


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ("ca-west-1", "ca-west-1 has no CodeBuild"),
        ("us-iso-west-1", "has no SageMaker, no SageMaker Runtime"),
        ("eu-wset-1", "must be a region of AWS, for example eu-west-1"),
    ],
)
def test_a_region_without_a_service_is_refused(tmp_path: Path, region: str, reason: str) -> None:
    problems = _load(tmp_path, dev=_environment(region))
    (problem,) = [p for p in problems if f'dev.yaml: region is "{region}"' in p]
    assert reason in problem


def test_the_table_of_regions_is_botocores_own() -> None:
    # `make catalogs` writes it
    assert service_regions._table() == update_catalogs.service_regions()


def test_an_environment_can_be_where_every_service_is() -> None:
    assert missing_services("eu-west-1") == []
    with pytest.raises(UnknownRegionError, match="us-east-1"):  # nothing is near
        missing_services("moon")
