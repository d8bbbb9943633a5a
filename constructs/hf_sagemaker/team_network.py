"""A network that the team has already, used as it is: nothing in it is looked up, its routes are not touched."""

from collections.abc import Sequence
from typing import Literal

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from hf_sagemaker.build_traffic import BuildTraffic
from hf_sagemaker.endpoint_policies import Perimeter
from hf_sagemaker.flow_logs import FlowLogs
from hf_sagemaker.placement import Placement
from hf_sagemaker.vpc_endpoints import InterfaceEndpoints, S3Endpoint
from hf_sagemaker.workload_groups import WorkloadGroup


class TeamNetwork(Construct):
    """What a VPC of the team lacks: endpoints, security groups, flow logs of the subnets that are used.

    Offers what `hf_sagemaker.placement.Network` says.

    vpc: the team's. builds: None unless the perimeter is for them too. mirror: None: whether anything may leave is for
        the team's routes to say.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        key: kms.IKey,
        route_table_ids: Sequence[str] = (),
        s3_endpoint: ec2.IGatewayVpcEndpoint | None = None,
        job_security_groups: Sequence[ec2.ISecurityGroup] = (),
        endpoint_security_groups: Sequence[ec2.ISecurityGroup] = (),
        build_security_groups: Sequence[ec2.ISecurityGroup] = (),
        interface_endpoints: Literal["all", "one", "shared"] = "all",
        perimeter: Perimeter | None = None,
        flow_log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates what is missing.

        subnets: one per zone, for jobs, endpoints and interface endpoints.
        key: encrypts the flow logs; CloudWatch Logs must be allowed to use it.
        route_table_ids: those of the subnets; the S3 gateway endpoint is entered there.
        s3_endpoint: the team's; then none is created, and its policy is the team's. Omitted: one is created, whose
            policy holds for all that uses these route tables.
        job_security_groups, endpoint_security_groups, build_security_groups: omitted: created, as in `PrivateNetwork`.
        interface_endpoints: all: created in each of the subnets. one: in the first. shared: none, the VPC has them;
            their policies are the team's.
        perimeter: whom the created endpoints admit, and whether images are built here. Omitted: this account; they are
            not.
        flow_log_retention: omitted: one month.
        removal_policy: of the flow logs. Omitted: they are kept when the stack is deleted.

        Raises ValueError when neither an S3 endpoint nor a route table is given.
        """
        super().__init__(scope, construct_id)
        if not s3_endpoint and not route_table_ids:
            raise ValueError(
                f"{self.node.path}: s3_endpoint and route_table_ids are both empty, so nothing in these subnets could "
                "reach S3. Give the team's S3 gateway endpoint, or the route tables for a new one."
            )
        perimeter = perimeter or Perimeter()
        self.vpc = vpc
        FlowLogs(
            self,
            "FlowLogs",
            sources={
                f"Subnet{i}": ec2.FlowLogResourceType.from_subnet(subnet) for i, subnet in enumerate(subnets, start=1)
            },
            key=key,
            retention=flow_log_retention,
            removal_policy=removal_policy,
        )
        self.s3_endpoint_id = (
            s3_endpoint.vpc_endpoint_id
            if s3_endpoint
            else S3Endpoint(self, "S3", vpc=vpc, route_table_ids=route_table_ids, perimeter=perimeter).endpoint_id
        )
        self.jobs = Placement(vpc=vpc, subnets=subnets, security_groups=job_security_groups or [self._job_group()])
        self.endpoints = Placement(
            vpc=vpc,
            subnets=subnets,
            security_groups=endpoint_security_groups
            or [WorkloadGroup(self, "EndpointSecurityGroup", vpc=vpc, description="SageMaker endpoints")],
        )
        self.builds: Placement | None = None
        if perimeter.builds:
            groups = build_security_groups or [self._build_group(perimeter.builds)]
            self.builds = Placement(vpc=vpc, subnets=subnets, security_groups=groups)
        self.mirror: Placement | None = None
        if interface_endpoints != "shared":
            services = InterfaceEndpoints(
                self,
                "Services",
                vpc=vpc,
                subnets=subnets[:1] if interface_endpoints == "one" else subnets,
                perimeter=perimeter,
            )
            admitted = {
                "Training jobs": self.jobs,
                "SageMaker endpoints": self.endpoints,
                "Builds of images": self.builds,
            }
            for description, placement in admitted.items():
                for group in placement.security_groups if placement else ():
                    services.admit(group, description)

    def _build_group(self, builds: BuildTraffic) -> WorkloadGroup:
        group = WorkloadGroup(self, "BuildSecurityGroup", vpc=self.vpc, description="Builds of images")
        group.open_ports(builds.packages.ports, "Package index and proxy")
        return group

    def _job_group(self) -> WorkloadGroup:
        group = WorkloadGroup(self, "JobSecurityGroup", vpc=self.vpc, description="Training jobs")
        group.connect_members()
        return group
