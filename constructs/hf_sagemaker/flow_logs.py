"""Flow logs: who talked to whom in a network, whether it was let through or not."""

from collections.abc import Mapping

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.place import place_of


class FlowLogs(Construct):
    """Flow logs of a VPC, or of some of its subnets, in one log group."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        sources: Mapping[str, ec2.FlowLogResourceType],
        key: kms.IKey,
        retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        """Creates them.

        sources: construct id → what is logged.
        key: encrypts the log group; CloudWatch Logs must be allowed to use it.
        removal_policy: of the log group.
        """
        super().__init__(scope, construct_id)
        group = logs.LogGroup(self, "Group", encryption_key=key, retention=retention, removal_policy=removal_policy)
        place = place_of(self)
        flow_logs = place.arn("ec2", "vpc-flow-log/*")
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "vpc-flow-logs.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": place.account},
                    "ArnLike": {"aws:SourceArn": flow_logs},
                },
            ),
            description="Writes the flow logs of the network",
        )
        policy = allow.DutyPolicy(self, "Policy", role=role, permissions=[allow.write_build_logs(group)])
        for name, source in sources.items():
            flow_log = ec2.FlowLog(
                self,
                name,
                resource_type=source,
                destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role.without_policy_updates()),
                traffic_type=ec2.FlowLogTrafficType.ALL,
            )
            flow_log.node.add_dependency(policy)
