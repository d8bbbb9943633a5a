"""Where in a network something runs: which subnets, behind which security groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Subnets and security groups for one kind of workload.

    vpc: the network that both belong to.
    subnets: one per zone. security_groups: every network interface of the workload carries all of them.
    """

    vpc: ec2.IVpc
    subnets: Sequence[ec2.ISubnet]
    security_groups: Sequence[ec2.ISecurityGroup]

    def apply_to(self, project: codebuild.Project) -> None:
        """Lets a build project run here. Its role must be able to place network interfaces.

        Not by the project's own argument: that adds an inline policy to the role, which has what it needs.
        """
        resource = project.node.default_child
        assert isinstance(resource, codebuild.CfnProject)
        resource.vpc_config = codebuild.CfnProject.VpcConfigProperty(
            vpc_id=self.vpc.vpc_id, subnets=self.subnet_ids, security_group_ids=self.security_group_ids
        )

    @property
    def subnet_ids(self) -> list[str]:
        """As SageMaker's and CodeBuild's VpcConfig take them."""
        return [subnet.subnet_id for subnet in self.subnets]

    @property
    def security_group_ids(self) -> list[str]:
        """As SageMaker's and CodeBuild's VpcConfig take them."""
        return [group.security_group_id for group in self.security_groups]


class Network(Protocol):
    """What every network of this library offers, whoever made it."""

    @property
    def vpc(self) -> ec2.IVpc:
        """The network itself."""

    @property
    def jobs(self) -> Placement:
        """For training and processing. Members reach each other and the AWS services."""

    @property
    def endpoints(self) -> Placement:
        """For SageMaker endpoints: they reach AWS services. InvokeEndpoint does not arrive through the VPC."""

    @property
    def builds(self) -> Placement | None:
        """For builds of images, which push to this environment's repositories. None: they run outside of it."""

    @property
    def mirror(self) -> Placement | None:
        """For the Hub mirror's build, which alone may leave the network. None: nothing may."""

    @property
    def s3_endpoint_id(self) -> str:
        """The gateway endpoint through which S3 is reached: what bucket policies name as `aws:SourceVpce`."""
