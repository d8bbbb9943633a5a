"""One endpoint as a stack that faults are brought into; its network is nobody's."""

import json
from dataclasses import dataclass
from typing import Any

from aws_cdk import App, DefaultStackSynthesizer, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint import HuggingFaceEndpoint
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement
from hf_sagemaker.serving import Serving

# Says its word; some words stand for what is wrong with a model.
CODE = """
import pathlib, time
def model_fn(model_dir):
    word = pathlib.Path(model_dir, "word.txt").read_text()
    if word == "does-not-load":
        raise ValueError("this model does not load")
    return word
def predict_fn(data, model):
    if model == "busy":
        time.sleep(0.05)
    return {"says": model}
"""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a deployment says of the endpoint.

    word: which model. digest: of the image. Omitted: of the one that is there. workers: in each container.
    taken_parameter: name of an SSM parameter that is made after the endpoint, and exists: the deployment fails when the
        endpoint has been changed. Omitted: there is none.
    """

    word: str = "first"
    digest: str = ""
    workers: int = 1
    taken_parameter: str = ""


class FaultyEndpoint(Stack):
    """endpoint: its name. image: `<repository>@<digest>`. bucket: where `<word>.tar.gz` of each model lies."""

    def __init__(self, declared: Declared, *, endpoint: str, image: str, bucket: str) -> None:
        app = App(builtin_cloud_formation_validation=False, analytics_reporting=False)
        super().__init__(
            app,
            "Faulty",
            env=Environment(account="123456789012", region="us-east-1"),
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        repository, _, digest = image.partition("@")
        made = HuggingFaceEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint,
            model=ModelSource.from_s3(s3.Bucket.from_bucket_name(self, "Models", bucket), f"{declared.word}.tar.gz"),
            image=ContainerImage.from_ecr(
                ecr.Repository.from_repository_name(self, "Repository", repository.partition("/")[2]),
                tag_or_digest=declared.digest or digest,
                product="inference",
                serving=Serving(),
            ),
            environment={"SAGEMAKER_MODEL_SERVER_WORKERS": str(declared.workers)},
            role=iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
            placement=self._placement(),
            key=kms.Key.from_key_arn(self, "Key", f"arn:aws:kms:us-east-1:{self.account}:key/tests"),
        )
        if declared.taken_parameter:
            parameter = ssm.CfnParameter(self, "Taken", name=declared.taken_parameter, type="String", value="mine")
            parameter.node.add_dependency(made)

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
        return json.dumps(app.synth().get_stack_by_name("Faulty").template)
