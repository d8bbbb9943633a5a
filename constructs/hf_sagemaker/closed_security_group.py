"""Takes every rule from the default security group of a VPC, which CloudFormation cannot."""

from pathlib import Path

from aws_cdk import CustomResource, Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.place import place_of


class ClosedDefaultSecurityGroup(Construct):
    """What is started in the VPC without a security group gets its default one: after this, that reaches nothing.

    The CDK has the like of it as a function for Node; this one needs the standard library and boto3 only.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.Vpc,
        function_root: Path,
        key: kms.IKey,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Closes the group when the stack is deployed. Deleting the stack leaves it closed.

        function_root: folder with the packages `close_default_security_group` and `custom_resource`.
        reserved_concurrency: as `PythonFunction` takes it.
        key: encrypts the function's logs. removal_policy: of these logs. Omitted: they are kept.
        """
        super().__init__(scope, construct_id)
        place = place_of(self)
        group_arn = place.arn("ec2", f"security-group/{vpc.vpc_default_security_group}")
        function = PythonFunction(
            self,
            "Function",
            source_root=function_root,
            package="close_default_security_group",
            shared=["custom_resource"],
            description="Takes every rule from the default security group of a VPC",
            key=key,
            permissions=[
                allow.allow(["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"], group_arn),
                allow.allow(
                    ["ec2:DescribeSecurityGroups"],
                    "*",
                    why_wildcards="ec2:DescribeSecurityGroups knows no resource type; it only reads.",
                ),
            ],
            timeout=Duration.minutes(2),
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        # Below the VPC, under this id and type, because cdk-nag looks there for the CDK's own, which does the same.
        CustomResource(
            vpc,
            "RestrictDefaultSecurityGroupCustomResource",
            resource_type="Custom::VpcRestrictDefaultSG",
            service_token=function.function.function_arn,
            service_timeout=Duration.minutes(5),
            properties={"DefaultSecurityGroupId": vpc.vpc_default_security_group},
        )
