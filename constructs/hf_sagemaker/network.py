"""The private network in which jobs and endpoints run: no way to the internet, every AWS service by an endpoint."""

from collections.abc import Sequence

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from hf_sagemaker.placement import Placement

_SERVICES: dict[str, ec2.InterfaceVpcEndpointAwsService] = {
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


class PrivateNetwork(Construct):
    """A VPC without internet gateway, its endpoints, flow logs and two security groups.

    vpc: isolated subnets only, one per zone.
    jobs: for training jobs and builds. Members reach each other (distributed training) and the endpoints.
    endpoints: for SageMaker endpoints. Members reach the VPC endpoints only; nothing reaches them, because
        InvokeEndpoint arrives through SageMaker and not through the VPC.
    mirror: None: nothing may leave.
    s3_endpoint_id: the gateway endpoint through which S3 is reached.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        availability_zones: Sequence[str],
        key: kms.IKey,
        cidr: str = "10.0.0.0/16",
        flow_log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the network.

        availability_zones: names, so that nothing is looked up at synth. Each costs one endpoint interface per service.
        key: encrypts the flow logs; CloudWatch Logs must be allowed to use it.
        cidr: address range of the VPC. Omitted: 10.0.0.0/16.
        flow_log_retention: omitted: one month.
        removal_policy: of the flow logs. Omitted: they are kept when the stack is deleted.
        """
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(availability_zones),
            nat_gateways=0,
            create_internet_gateway=False,
            subnet_configuration=[ec2.SubnetConfiguration(name="Private", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)],
        )
        self._flow_logs(key, flow_log_retention, removal_policy)
        self.service_security_group = ec2.SecurityGroup(
            self,
            "ServiceSecurityGroup",
            vpc=self.vpc,
            description="Interface endpoints of AWS services",
            allow_all_outbound=False,
        )
        s3_endpoint = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        self.s3_endpoint_id = s3_endpoint.vpc_endpoint_id
        jobs = self._workload_group("JobSecurityGroup", "Training jobs and image builds")
        endpoints = self._workload_group("EndpointSecurityGroup", "SageMaker endpoints")
        # Distributed training talks on ports that the framework chooses.
        jobs.add_ingress_rule(jobs, ec2.Port.all_tcp(), "Instances of one training job")
        jobs.add_egress_rule(jobs, ec2.Port.all_tcp(), "Instances of one training job")
        self.jobs = self._placement(jobs)
        self.endpoints = self._placement(endpoints)
        self.mirror: Placement | None = None
        for name, service in _SERVICES.items():
            self.vpc.add_interface_endpoint(
                name, service=service, security_groups=[self.service_security_group], open=False
            )

    def _flow_logs(self, key: kms.IKey, retention: logs.RetentionDays, removal_policy: RemovalPolicy) -> None:
        group = logs.LogGroup(
            self, "FlowLogGroup", encryption_key=key, retention=retention, removal_policy=removal_policy
        )
        role = iam.Role(
            self,
            "FlowLogRole",
            assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"),
            description="Writes the flow logs of the private network",
        )
        self.vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role))

    def _placement(self, group: ec2.SecurityGroup) -> Placement:
        return Placement(vpc=self.vpc, subnets=self.vpc.isolated_subnets, security_groups=[group])

    def _workload_group(self, construct_id: str, description: str) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(self, construct_id, vpc=self.vpc, description=description, allow_all_outbound=False)
        group.add_egress_rule(self.service_security_group, ec2.Port.tcp(443), "Interface endpoints of AWS services")
        # A security group cannot name a gateway endpoint without its prefix list, which only a look-up would tell; the
        # VPC has no other route out, so this reaches S3 and nothing else.
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3 through the gateway endpoint")
        self.service_security_group.add_ingress_rule(group, ec2.Port.tcp(443), description)
        return group
