"""The VPC endpoints by which a network without a way out reaches AWS services."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hf_sagemaker.build_traffic import BuildTraffic
from hf_sagemaker.endpoint_policies import Perimeter, interface_policy, s3_policy

SERVICES: Mapping[str, ec2.InterfaceVpcEndpointAwsService] = {
    "SageMakerApi": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_API,
    "SageMakerRuntime": ec2.InterfaceVpcEndpointAwsService.SAGEMAKER_RUNTIME,
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "Sts": ec2.InterfaceVpcEndpointAwsService.STS,
    "Kms": ec2.InterfaceVpcEndpointAwsService.KMS,
    "StepFunctions": ec2.InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
    "CloudWatch": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_MONITORING,
}
"""Construct id → service. Each costs money in each zone, used or not: docs/network.md counts them."""


def build_services(builds: BuildTraffic | None) -> Mapping[str, ec2.InterfaceVpcEndpointAwsService]:
    """What builds of images need besides: the environment's parameters, and where their packages come from."""
    if not builds:
        return {}
    aws = ec2.InterfaceVpcEndpointAwsService
    return {
        "Ssm": aws.SSM,
        **({"SecretsManager": aws.SECRETS_MANAGER} if builds.packages.secret_arn else {}),
        **(
            {"CodeArtifactApi": aws.CODEARTIFACT_API, "CodeArtifactRepositories": aws.CODEARTIFACT_REPOSITORIES}
            if builds.packages.code_artifact
            else {}
        ),
    }


class S3Endpoint(Construct):
    """The gateway endpoint of S3, which costs nothing.

    endpoint_id: what bucket policies name as `aws:SourceVpce`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        route_table_ids: Sequence[str],
        perimeter: Perimeter,
    ) -> None:
        """Creates the endpoint and enters it in the route tables."""
        super().__init__(scope, construct_id)
        # Not the L2: that finds route tables by subnets only, and a team's VPC is known by ids.
        endpoint = ec2.CfnVPCEndpoint(
            self,
            "Endpoint",
            vpc_id=vpc.vpc_id,
            vpc_endpoint_type="Gateway",
            service_name=ec2.GatewayVpcEndpointAwsService.S3.name,
            route_table_ids=list(route_table_ids),
            policy_document=s3_policy(self, perimeter),
        )
        self.endpoint_id = endpoint.ref


class InterfaceEndpoints(Construct):
    """One interface endpoint per service, reached under the service's usual name."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        perimeter: Perimeter,
    ) -> None:
        """Creates the endpoints.

        subnets: each gets a network interface per service. In fewer zones than the network has they cost less, and
            the failure of those zones is one of all.
        """
        super().__init__(scope, construct_id)
        self._group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            description="Interface endpoints of AWS services",
            allow_all_outbound=False,
        )
        for name, service in {**SERVICES, **build_services(perimeter.builds)}.items():
            endpoint = ec2.InterfaceVpcEndpoint(
                self,
                name,
                vpc=vpc,
                service=service,
                subnets=ec2.SubnetSelection(subnets=list(subnets)),
                security_groups=[self._group],
                open=False,
                private_dns_enabled=True,
            )
            for statement in interface_policy(self, name, perimeter):
                endpoint.add_to_policy(statement)

    def admit(self, group: ec2.ISecurityGroup, description: str) -> None:
        """Lets members of the group call the services. Nobody else can."""
        self._group.add_ingress_rule(group, ec2.Port.tcp(443), description)
