"""A batch transform as a stack, with a queue that hears what its topic is told; its network is nobody's."""

import json
from typing import Any

from aws_cdk import App, CfnOutput, DefaultStackSynthesizer, Duration, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm

from hf_sagemaker.batch_states import BatchData
from hf_sagemaker.batch_transform import HuggingFaceBatchTransform
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement
from hf_sagemaker.serving import Serving
from hf_sagemaker.transform_job_task import Batches

NAME = "reviews"
INPUT, OUTPUT = "incoming/reviews/", "scored/reviews/"


class BatchStack(Stack):
    """image: `<repository>@<digest>`. bucket: with the model at `model.tar.gz`, and for all data."""

    def __init__(self, *, image: str, bucket: str, max_run: Duration, batches: Batches) -> None:
        app = App(builtin_cloud_formation_validation=False, analytics_reporting=False)
        super().__init__(
            app,
            "Batch",
            env=Environment(account="123456789012", region="us-east-1"),
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        repository, _, digest = image.partition("@")
        data = s3.Bucket.from_bucket_name(self, "Bucket", bucket)
        topic, queue = sns.Topic(self, "Topic"), sqs.Queue(self, "Queue")
        topic.add_subscription(subscriptions.SqsSubscription(queue, raw_message_delivery=True))
        made = HuggingFaceBatchTransform(
            self,
            "Transform",
            name=NAME,
            environment="dev",
            model=ModelSource.from_s3(data, "model.tar.gz"),
            image=ContainerImage.from_ecr(
                ecr.Repository.from_repository_name(self, "Images", repository.partition("/")[2]),
                tag_or_digest=digest,
                product="inference",
                serving=Serving(),
            ),
            task="text-classification",
            role=iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
            placement=self._placement(),
            keys=EnvironmentKeys(
                **{name: self._own_key(name) for name in ("data", "models", "images", "logs", "operations")}
            ),
            data=BatchData(source=data, source_prefix=INPUT, bucket=data, prefix=OUTPUT),
            topic=topic,
            content_type="application/json",
            batches=batches,
            max_run=max_run,
            wait_for_capacity=Duration.seconds(1),
        )
        machine = made.state_machine.state_machine_arn
        values = {"state-machine-arn": machine, "bucket": bucket, "input": INPUT, "output": OUTPUT}
        for name, value in values.items():
            parameter = f"/hf-sagemaker/dev/batch/{NAME}/{name}"
            ssm.CfnParameter(self, name.replace("-", ""), name=parameter, type="String", value=value)
        CfnOutput(self, "Machine", value=machine)
        CfnOutput(self, "QueueUrl", value=queue.queue_url)

    def _own_key(self, name: str) -> kms.IKey:
        return kms.Key.from_key_arn(self, f"Key{name}", f"arn:aws:kms:us-east-1:{self.account}:key/{name}")

    def _placement(self) -> Placement:
        vpc = ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id="vpc-1", availability_zones=["us-east-1a"], isolated_subnet_ids=["subnet-1"]
        )
        group = ec2.SecurityGroup.from_security_group_id(self, "Group", "sg-1", mutable=False)
        return Placement(vpc=vpc, subnets=vpc.isolated_subnets, security_groups=[group])

    @property
    def template(self) -> str:
        """As CloudFormation takes it."""
        app: Any = self.node.root
        return json.dumps(app.synth().get_stack_by_name("Batch").template)
