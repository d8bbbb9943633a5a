"""An endpoint with everything that is around its updates, as one stack; its network is nobody's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, DefaultStackSynthesizer, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.endpoint_model import EndpointSurroundings, ServedModel
from hf_sagemaker.endpoint_safety import EndpointSafety
from hf_sagemaker.endpoint_scaling import ScalingFunction
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement
from hf_sagemaker.production_variant import Variant, VariantInstances
from hf_sagemaker.real_time_endpoint import RealTimeEndpoint
from hf_sagemaker.scaling_policies import EndpointScaling
from hf_sagemaker.smoke_request import RequestExample, SmokeFunction
from hf_sagemaker.update_safety import UpdateSafety
from tests.local.following_endpoint import templates_of

FUNCTIONS = Path(__file__).resolve().parents[2] / "lambda"
STACK, ENDPOINT, DECLARATIONS = "dev-EndpointScaled", "dev-scaled", "/hf-sagemaker/dev/scaling"
PLAIN = UpdateSafety(strategy="all-at-once", wait=0, rollback_alarms=())


def scaled_template(
    client: Any,
    *,
    image: str,
    bucket: str,
    variants: Mapping[str, str],
    word: str,
    update: UpdateSafety = PLAIN,
    scales: bool = True,
) -> str:
    """The template, with its functions put into the bucket of assets.

    client: of S3. image: with its digest. bucket: with the model. variants: instance type by name. word: of the model.
    """
    app = App(builtin_cloud_formation_validation=False, analytics_reporting=False)
    _Scaled(app, image=image, bucket=bucket, variants=variants, word=word, update=update, scales=scales)
    return templates_of(app, client)[STACK]


class _Scaled(Stack):
    def __init__(
        self,
        app: App,
        *,
        image: str,
        bucket: str,
        variants: Mapping[str, str],
        word: str,
        update: UpdateSafety,
        scales: bool,
    ) -> None:
        super().__init__(
            app,
            STACK,
            env=Environment(account="123456789012", region="us-east-1"),
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        key = kms.Key.from_key_arn(self, "Key", f"arn:aws:kms:us-east-1:{self.account}:key/tests")
        keys = EnvironmentKeys(data=key, models=key, images=key, logs=key, operations=key)
        repository, _, tag = image.partition("/")[2].partition("@")
        model = ServedModel(
            source=ModelSource.from_s3(s3.Bucket.from_bucket_name(self, "Bucket", bucket), "model.tar.gz"),
            image=ContainerImage.from_ecr(
                ecr.Repository.from_repository_name(self, "Images", repository), tag_or_digest=tag, product="inference"
            ),
            environment={"WORD": word},
        )
        endpoint = RealTimeEndpoint(
            self,
            "Endpoint",
            endpoint_name=ENDPOINT,
            variants=[
                Variant(name=name, model=model, instances=VariantInstances(types=[each], minimum=1, maximum=3))
                for name, each in variants.items()
            ],
            surroundings=EndpointSurroundings(
                role=iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
                placement=self._placement(),
                key=key,
            ),
        )
        EndpointSafety(
            endpoint,
            "Safety",
            scaling_function=ScalingFunction(
                self,
                "Scaling",
                environment="dev",
                declarations=DECLARATIONS,
                keys=keys,
                topic=sns.Topic(self, "Topic"),
                function_root=FUNCTIONS,
            ),
            smoke_function=SmokeFunction(self, "Smoke", environment="dev", keys=keys, function_root=FUNCTIONS),
            update=update,
            # What the tests bring up by hand is not taken down between their steps.
            scaling={name: EndpointScaling(minimum=1, maximum=3, scale_in=False) for name in variants}
            if scales
            else {},
            example=RequestExample(body=b'{"inputs": "?"}'),
        )

    def _placement(self) -> Placement:
        vpc = ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id="vpc-1", availability_zones=["us-east-1a"], isolated_subnet_ids=["subnet-1"]
        )
        group = ec2.SecurityGroup.from_security_group_id(self, "Group", "sg-1", mutable=False)
        return Placement(vpc=vpc, subnets=vpc.isolated_subnets, security_groups=[group])
