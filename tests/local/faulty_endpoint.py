"""One endpoint as a stack that faults are brought into, and all that is around its updates; its network is nobody's."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aws_cdk import App, DefaultStackSynthesizer, Duration, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm

from hf_sagemaker.alarms import let_alarms_publish
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.endpoint_safety import EndpointSafety
from hf_sagemaker.endpoint_scaling import ScalingFunction
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement
from hf_sagemaker.production_variant import VARIANT, Variant, VariantInstances
from hf_sagemaker.real_time_endpoint import RealTimeEndpoint
from hf_sagemaker.scaling_policies import EndpointScaling
from hf_sagemaker.serving import Serving
from hf_sagemaker.smoke_request import RequestExample, SmokeFunction
from hf_sagemaker.update_safety import UpdateSafety

ENVIRONMENT = "fault"
SHARED = f"{ENVIRONMENT}-Inference"
FUNCTIONS = Path(__file__).resolve().parents[2] / "lambda"
# Says its word; some words stand for what is wrong with a model. `busy` and `slow` take ten times as long.
CODE = """
import pathlib, time
def model_fn(model_dir):
    word = pathlib.Path(model_dir, "word.txt").read_text()
    if word == "does-not-load":
        raise ValueError("this model does not load")
    return word
def predict_fn(data, model):
    if model == "raises" or (model == "fails-the-example" and data["inputs"] == "example"):
        raise ValueError("this model fails")
    time.sleep(0.2 if model == "slow" else 0.05 if model == "busy" else 0.02)
    return {"says": model}
"""
WORDS = ("first", "second", "busy", "slow", "raises", "does-not-load", "fails-the-example")
QUICK = UpdateSafety.default("real-time", disposable=True)
"""All at once, and watched for a minute."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a deployment says of the endpoint.

    word: which model. digest: of the image. Omitted: of the one that is there. workers: in each container.
    instance_type: of each variant. second_variant: whether there is another one, of the word `second`.
    update: how traffic is taken over. latency: limit of its alarm.
    taken_parameter: name of an SSM parameter that is made after the endpoint, and exists: the deployment fails when the
        endpoint has been changed. Omitted: there is none.
    """

    word: str = "first"
    digest: str = ""
    workers: int = 1
    instance_type: str = "ml.g4dn.xlarge"
    second_variant: bool = False
    update: UpdateSafety = field(default_factory=lambda: QUICK)
    latency: Duration = field(default_factory=lambda: Duration.seconds(5))
    taken_parameter: str = ""


class _OwnStack(Stack):
    def __init__(self, app: App, name: str) -> None:
        super().__init__(
            app,
            name,
            env=Environment(account="123456789012", region="us-east-1"),
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        self.key = kms.Key.from_key_arn(self, "Key", f"arn:aws:kms:us-east-1:{self.account}:key/tests")


class _Shared(_OwnStack):
    """What endpoints share: the functions around their updates."""

    def __init__(self, app: App) -> None:
        super().__init__(app, SHARED)
        keys = EnvironmentKeys(data=self.key, models=self.key, images=self.key, logs=self.key, operations=self.key)
        topic = sns.Topic(self, "Topic")
        let_alarms_publish(topic)
        self.scaling = ScalingFunction(
            self,
            "Scaling",
            environment=ENVIRONMENT,
            declarations="/tests/inference-faults/scaling",
            keys=keys,
            topic=topic,
            function_root=FUNCTIONS,
        )
        self.smoke = SmokeFunction(self, "Smoke", environment=ENVIRONMENT, keys=keys, function_root=FUNCTIONS)


class _Endpoint(_OwnStack):
    def __init__(self, app: App, declared: Declared, shared: _Shared, endpoint: str, image: str, bucket: str) -> None:
        super().__init__(app, endpoint)
        self._declared, self._bucket = declared, s3.Bucket.from_bucket_name(self, "Models", bucket)
        repository, _, digest = image.partition("@")
        self._image = ContainerImage.from_ecr(
            ecr.Repository.from_repository_name(self, "Repository", repository.partition("/")[2]),
            tag_or_digest=declared.digest or digest,
            product="inference",
            serving=Serving(),
        )
        variants = [self._variant(VARIANT, declared.word)]
        if declared.second_variant:
            variants.append(self._variant("Challenger", "second"))
        made = RealTimeEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint,
            variants=variants,
            surroundings=EndpointSurroundings(
                role=iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
                placement=self._placement(),
                key=self.key,
            ),
            latency_alarm=declared.latency,
        )
        EndpointSafety(
            made,
            "Safety",
            scaling_function=shared.scaling,
            smoke_function=shared.smoke,
            update=declared.update,
            # It takes nothing back by itself: no activity but that of a fault is under way.
            scaling={variant.name: EndpointScaling(minimum=1, maximum=2, target=50) for variant in variants},
            example=RequestExample(body=json.dumps({"inputs": "example"}).encode()),
        )
        if declared.taken_parameter:
            parameter = ssm.CfnParameter(self, "Taken", name=declared.taken_parameter, type="String", value="mine")
            parameter.node.add_dependency(made)

    def _variant(self, name: str, word: str) -> Variant:
        return Variant(
            name=name,
            model=ServedModel(
                source=ModelSource.from_s3(self._bucket, f"{word}.tar.gz"),
                image=self._image,
                environment={"SAGEMAKER_MODEL_SERVER_WORKERS": str(self._declared.workers)},
            ),
            instances=VariantInstances(types=[self._declared.instance_type]),
        )

    def _placement(self) -> Placement:
        vpc = ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id="vpc-1", availability_zones=["us-east-1a"], isolated_subnet_ids=["subnet-1"]
        )
        group = ec2.SecurityGroup.from_security_group_id(self, "Group", "sg-1", mutable=False)
        return Placement(vpc=vpc, subnets=vpc.isolated_subnets, security_groups=[group])


def templates(declared: Declared, *, endpoint: str, image: str, bucket: str, client: Any) -> dict[str, str]:
    """By stack, as CloudFormation takes them; the code of functions is put where they name it.

    endpoint: its name, and its stack's. image: `<repository>@<digest>`. bucket: where `<word>.tar.gz` of each model
    lies. client: of S3.
    """
    app = App(builtin_cloud_formation_validation=False, analytics_reporting=False)
    _Endpoint(app, declared, _Shared(app), endpoint, image, bucket)
    assembly = app.synth()
    folder = Path(assembly.directory)
    for asset in json.loads((folder / f"{SHARED}.assets.json").read_text())["files"].values():
        source = folder / asset["source"]["path"]
        for place in asset["destinations"].values() if source.is_dir() else ():
            client.create_bucket(Bucket=place["bucketName"])
            client.put_object(Bucket=place["bucketName"], Key=place["objectKey"], Body=_zipped(source))
    return {stack.stack_name: json.dumps(stack.template) for stack in assembly.stacks}


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(file, file.relative_to(folder))
    return packed.getvalue()
