"""A network of our own for jobs and endpoints: AWS services by VPC endpoints, a way out only if asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from hf_sagemaker.closed_security_group import ClosedDefaultSecurityGroup
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.endpoint_policies import Perimeter
from hf_sagemaker.flow_logs import FlowLogs
from hf_sagemaker.placement import Placement
from hf_sagemaker.vpc_endpoints import InterfaceEndpoints, S3Endpoint
from hf_sagemaker.workload_groups import WorkloadGroup

Egress = Literal["none", "nat", "mirror-only"]

_PRIVATE, _PUBLIC, _MIRROR = "Private", "Public", "Mirror"
_SMALL = 28
"""Prefix length of subnets that hold a NAT gateway, or a few builds."""


class PrivateNetwork(Construct):
    """A VPC, its endpoints, flow logs and security groups. Offers what `hf_sagemaker.placement.Network` says.

    vpc: private subnets, one per zone; with a way out also public ones, which hold nothing but NAT gateways.
    jobs: for training jobs. Members reach each other (distributed training) and the AWS services.
    endpoints: for SageMaker endpoints. Members reach AWS services only; nothing reaches them, because InvokeEndpoint
        arrives through SageMaker and not through the VPC.
    builds: for builds of images; None unless the perimeter is for them too.
    mirror: for the build that mirrors models; None when nothing may leave.
    s3_endpoint_id: the gateway endpoint through which S3 is reached.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        availability_zones: Sequence[str],
        key: kms.IKey,
        function_root: Path,
        cidr: str = "10.0.0.0/16",
        egress: Egress = "none",
        endpoint_zones: Literal["all", "one"] = "all",
        perimeter: Perimeter | None = None,
        flow_log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the network.

        availability_zones: names, so that nothing is looked up at synth.
        key: encrypts the flow logs and those of the function; CloudWatch Logs must be allowed to use it.
        function_root: folder with the package `close_default_security_group`.
        cidr: address range of the VPC. Omitted: 10.0.0.0/16.
        egress: who may leave. Omitted: nobody, there is no internet gateway. nat: all, by a NAT gateway in each zone.
            mirror-only: what runs in `mirror`, by one NAT gateway; all others have no route out. A change of this
            moves no private subnet.
        endpoint_zones: where interface endpoints have network interfaces, which are paid for. Omitted: in all zones.
        perimeter: whom the endpoints admit, and whether images are built here. Omitted: this account; they are not.
        flow_log_retention: omitted: one month.
        reserved_concurrency: of the function, as `PythonFunction` takes it.
        removal_policy: of the logs. Omitted: they are kept when the stack is deleted.
        """
        super().__init__(scope, construct_id)
        perimeter = perimeter or Perimeter()
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(availability_zones),
            nat_gateways={"none": 0, "nat": len(availability_zones), "mirror-only": 1}[egress],
            create_internet_gateway=egress != "none",
            subnet_configuration=_subnets(egress),
        )
        FlowLogs(
            self,
            "FlowLogs",
            sources={"Vpc": ec2.FlowLogResourceType.from_vpc(self.vpc)},
            key=key,
            retention=flow_log_retention,
            removal_policy=removal_policy,
        )
        ClosedDefaultSecurityGroup(
            self,
            "DefaultSecurityGroup",
            vpc=self.vpc,
            function_root=function_root,
            key=key,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        private = self._subnets_named(_PRIVATE)
        mirroring = self._subnets_named(_MIRROR) if egress == "mirror-only" else private
        self.s3_endpoint_id = S3Endpoint(
            self,
            "S3",
            vpc=self.vpc,
            route_table_ids=[subnet.route_table.route_table_id for subnet in dict.fromkeys([*private, *mirroring])],
            perimeter=perimeter,
        ).endpoint_id
        services = InterfaceEndpoints(
            self,
            "Services",
            vpc=self.vpc,
            subnets=private[:1] if endpoint_zones == "one" else private,
            perimeter=perimeter,
        )

        def placement(name: str, subnets: Sequence[ec2.ISubnet], description: str) -> tuple[WorkloadGroup, Placement]:
            group = WorkloadGroup(self, f"{name}SecurityGroup", vpc=self.vpc, description=description)
            services.admit(group, description)
            return group, Placement(vpc=self.vpc, subnets=subnets, security_groups=[group])

        job_group, self.jobs = placement("Job", private, "Training jobs")
        job_group.connect_members()
        _, self.endpoints = placement("Endpoint", private, "SageMaker endpoints")
        self.builds: Placement | None = None
        if perimeter.builds:
            build_group, self.builds = placement("Build", private, "Builds of images")
            build_group.open_ports(perimeter.builds.packages.ports, "Package index and proxy")
        self.mirror: Placement | None = None
        if egress != "none":
            _, self.mirror = placement("Mirror", mirroring, "Build that mirrors models")
            self._acknowledge_way_out(egress)

    def _subnets_named(self, name: str) -> list[ec2.ISubnet]:
        return self.vpc.select_subnets(subnet_group_name=name).subnets

    def _acknowledge_way_out(self, egress: Egress) -> None:
        acknowledge(
            self.vpc,
            f"The setting network.egress is {egress}: this environment has a way out on purpose. Public subnets hold "
            "NAT gateways only, hand out no public addresses, and nothing outside can open a connection to the inside.",
            "HfSageMaker::Control-86",
            "HIPAA.Security::HIPAA.Security-VPCNoUnrestrictedRouteToIGW",
            "NIST.800.53.R5::NIST.800.53.R5-VPCNoUnrestrictedRouteToIGW",
            "PCI.DSS.321::PCI.DSS.321-VPCNoUnrestrictedRouteToIGW",
        )


def _subnets(egress: Egress) -> list[ec2.SubnetConfiguration]:
    """The same layout in every mode; what a mode does not have is reserved, so that changing it moves no subnet."""
    inside = ec2.SubnetType.PRIVATE_WITH_EGRESS if egress == "nat" else ec2.SubnetType.PRIVATE_ISOLATED
    return [
        ec2.SubnetConfiguration(name=_PRIVATE, subnet_type=inside),
        ec2.SubnetConfiguration(
            name=_PUBLIC,
            subnet_type=ec2.SubnetType.PUBLIC,
            cidr_mask=_SMALL,
            map_public_ip_on_launch=False,
            reserved=egress == "none",
        ),
        ec2.SubnetConfiguration(
            name=_MIRROR,
            subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS,
            cidr_mask=_SMALL,
            reserved=egress != "mirror-only",
        ),
    ]
