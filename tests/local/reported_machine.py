"""The training workflow together with what reports its runs: function, rule, dead letters and topic."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import CfnOutput
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.prices import Price
from hf_sagemaker.training_report import ReportedWorkflow, TrainingReport
from tests.local.workflow_machine import ROOT, WorkflowMachine


class ReportedMachine(WorkflowMachine):
    """Outputs, besides the machine's: the topic, the queue of dead letters, and the rule's name."""

    def __init__(self, *, repository: str, bucket: str, images: Mapping[str, str], group: str) -> None:
        super().__init__(repository=repository, bucket=bucket, images=images, group=group)
        topic = sns.Topic(self, "Topic", enforce_ssl=True)
        names = ("data", "models", "checkpoints", "builds")
        buckets = {name: s3.Bucket.from_bucket_name(self, f"Bucket{name}", bucket) for name in names}
        report = TrainingReport(
            self,
            "Report",
            environment="dev",
            workflows=[ReportedWorkflow(job_type="text", state_machine=self.machine, topic=topic)],
            prices={"ml.g4dn.xlarge": Price(per_hour=0.7364, as_of="2026-11-01")},
            role=iam.Role(self, "ReportingRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")),
            keys=EnvironmentKeys(
                **{name: self._own_key(name) for name in ("data", "models", "images", "logs", "operations")}
            ),
            buckets=EnvironmentBuckets(**buckets),
            function_root=ROOT / "lambda",
        )
        rule: Any = report.node.find_child("Ended")
        letters: Any = report.node.find_child("DeadLetters")
        outputs = {"TopicArn": topic.topic_arn, "QueueUrl": letters.queue_url, "Rule": rule.ref}
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)

    def _own_key(self, name: str) -> kms.IKey:
        return kms.Key.from_key_arn(self, f"Key{name}", f"arn:aws:kms:us-east-1:{self.account}:key/{name}")
