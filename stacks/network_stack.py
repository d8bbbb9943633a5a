"""Network: a VPC of our own or the team's, with its endpoints, flow logs and security groups."""

from pathlib import Path

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker.build_traffic import BuildTraffic
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.encryption_key import EncryptionKey, KeyUse
from hf_sagemaker.endpoint_policies import Perimeter
from hf_sagemaker.network import PrivateNetwork
from hf_sagemaker.placement import Network
from hf_sagemaker.team_network import TeamNetwork
from hf_sagemaker.workload_groups import let_mount
from stacks.contract import repository_name
from stacks.file_system_settings import FileSystemSettings
from stacks.network_settings import NetworkSettings, TeamVpcSettings
from stacks.settings import EnvironmentSettings

FUNCTIONS = Path(__file__).parent.parent / "lambda"
_RETENTION = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


class NetworkStack(Stack):
    """Offers `network` and `log_key`, which encrypts every log of the environment."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        removal_policy: RemovalPolicy,
    ) -> None:
        self._zones = settings.network.availability_zones
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self.log_key = self._log_key(settings.keys.logs, removal_policy)
        perimeter = Perimeter(
            organization_id=settings.network.organization_id,
            readable_buckets=[
                s3.Bucket.from_bucket_name(self, f"ReadOnlyBucket{i}", bucket.name)
                for i, bucket in enumerate(settings.data.read_only_buckets, start=1)
            ],
            builds=_build_traffic(environment, settings) if settings.builds.inside else None,
        )
        team = settings.network.vpc
        self.network: Network = (
            self._team_network(team, settings.network, perimeter, removal_policy)
            if team
            else self._own_network(settings.network, perimeter, settings.functions.reserved_concurrency, removal_policy)
        )
        for i, file_system in enumerate(settings.data.file_systems, start=1):
            self._open_way(file_system, f"FileSystemGroup{i}-")

    def _own_network(
        self,
        settings: NetworkSettings,
        perimeter: Perimeter,
        reserved_concurrency: int | None,
        removal_policy: RemovalPolicy,
    ) -> PrivateNetwork:
        network = PrivateNetwork(
            self,
            "Network",
            availability_zones=settings.availability_zones,
            key=self.log_key,
            function_root=FUNCTIONS,
            cidr=settings.cidr,
            egress=settings.egress,
            endpoint_zones=settings.interface_endpoints.zones,
            perimeter=perimeter,
            flow_log_retention=_RETENTION[settings.flow_log_days],
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        acknowledge(
            network.vpc,
            "The zones are this environment's settings, for one account and region; asking AWS for them at synth would "
            "make two synths of one commit differ.",
            "CloudFormation-Validate::W3010",
        )
        return network

    def _team_network(
        self,
        team: TeamVpcSettings,
        settings: NetworkSettings,
        perimeter: Perimeter,
        removal_policy: RemovalPolicy,
    ) -> TeamNetwork:
        vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "TeamVpc",
            vpc_id=team.vpc_id,
            availability_zones=settings.availability_zones,
            isolated_subnet_ids=team.subnet_ids,
        )
        acknowledge(
            vpc,
            "Route tables are named in the settings by themselves; nothing reads them from the subnets.",
            "Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId",
        )
        endpoints = settings.interface_endpoints
        return TeamNetwork(
            self,
            "Network",
            vpc=vpc,
            subnets=vpc.isolated_subnets,
            key=self.log_key,
            route_table_ids=team.route_table_ids,
            s3_endpoint=ec2.GatewayVpcEndpoint.from_gateway_vpc_endpoint_id(self, "TeamS3", team.s3_endpoint_id)
            if team.s3_endpoint_id
            else None,
            job_security_groups=self._groups("TeamJobGroup", team.job_security_group_ids),
            endpoint_security_groups=self._groups("TeamEndpointGroup", team.endpoint_security_group_ids),
            build_security_groups=self._groups("TeamBuildGroup", team.build_security_group_ids),
            interface_endpoints="shared" if endpoints.owner == "shared" else endpoints.zones,
            perimeter=perimeter,
            flow_log_retention=_RETENTION[settings.flow_log_days],
            removal_policy=removal_policy,
        )

    def _open_way(self, settings: FileSystemSettings, construct_id: str) -> None:
        group = [settings.security_group_id] if settings.security_group_id else None
        addresses = [ec2.Peer.ipv4(cidr) for cidr in settings.cidrs]
        let_mount(self.network.jobs, settings.file_system, [*self._groups(construct_id, group), *addresses])

    def _groups(self, construct_id: str, group_ids: list[str] | None) -> list[ec2.ISecurityGroup]:
        return [
            ec2.SecurityGroup.from_security_group_id(self, f"{construct_id}{i}", group_id, mutable=False)
            for i, group_id in enumerate(group_ids or [], start=1)
        ]

    def _log_key(self, arn: str | None, removal_policy: RemovalPolicy) -> kms.IKey:
        if arn:
            return kms.Key.from_key_arn(self, "LogKey", arn)
        # Through S3: whoever may read access logs.
        return EncryptionKey(
            self,
            "LogKey",
            description="Log groups, flow logs and access logs",
            uses=[KeyUse(services=["s3"], actions=["kms:Decrypt"])],
            services=["logging.s3.amazonaws.com"],
            log_groups=True,
            removal_policy=removal_policy,
        )

    @property
    def availability_zones(self) -> list[str]:
        """Those of the settings. The Vpc construct asks its stack, which would otherwise ask AWS."""
        return self._zones


def _build_traffic(environment: str, settings: EnvironmentSettings) -> BuildTraffic:
    bases = [image.extension(settings.region).base for image in settings.images]
    return BuildTraffic(
        pushed=repository_name(environment, "*"),
        bases=[(base.account, base.repository) for base in bases],
        packages=settings.builds.sources(settings.account, settings.region),
    )
