"""The training workflow together with what reports its runs: function, rule, dead letters and topic."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
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

ASSETS = "cdk-hnb659fds-assets-123456789012-us-east-1"


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

    def upload(self, client: Any) -> str:
        """The template as CloudFormation takes it, with the functions' code in S3."""
        app: Any = self.node.root
        stack = app.synth().get_stack_by_name("Workflow")
        folder = Path(stack.assembly.directory)
        files = json.loads((folder / "Workflow.assets.json").read_text())["files"]
        if ASSETS not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=ASSETS)
        for asset in files.values():
            if asset["source"]["packaging"] == "zip":
                (destination,) = asset["destinations"].values()
                with tempfile.TemporaryDirectory() as place:
                    archive = shutil.make_archive(f"{place}/code", "zip", folder / asset["source"]["path"])
                    packed = Path(archive).read_bytes()
                client.put_object(Bucket=ASSETS, Key=destination["objectKey"], Body=packed)
        return json.dumps(stack.template)

    def _own_key(self, name: str) -> kms.IKey:
        return kms.Key.from_key_arn(self, f"Key{name}", f"arn:aws:kms:us-east-1:{self.account}:key/{name}")
