"""The states of the training workflow as a stack of their own: its functions are the real ones, its image is small."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import App, CfnOutput, DefaultStackSynthesizer, Duration, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn

from hf_sagemaker import dlc_catalog
from hf_sagemaker.concurrency_limit import ConcurrencyLimit
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.job_task import JobInstances
from hf_sagemaker.placement import Placement
from hf_sagemaker.training_job_task import TrainingJobPlace
from hf_sagemaker.training_states import TrainingStates

ROOT = Path(__file__).resolve().parents[2]
PARAMETER = "/tests/workflow/digest"
GROUP = "tests-workflow"
DEFAULTS: dict[str, Any] = {
    "job_type": "text",
    "environment": "dev",
    "image": "training",
    "images": {"training": PARAMETER},
    "unfit_images": {},
    "instance_type": "ml.g4dn.xlarge",
    "instance_types": {"ml.g4dn.xlarge": False},
    "max_instance_count": 1,
    "volume_size": 30,
    "use_spot_instances": True,
    "checkpoints": True,
    "max_run": 60,
    "max_wait": 120,
    "metric_definitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}],
    "evaluation": {"metric": "accuracy", "minimum": 0.1},
    "tuning": {"prefix": "dev", "max_jobs": 4, "max_parallel_jobs": 2},
    "volume_key": "arn:aws:kms:us-east-1:123456789012:key/none",
}
# Reads from its channel what it is to do, so that this can change while a request does not.
PROGRAM = """
import os, pathlib, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
mode = (base / "input/data/train/mode.txt").read_text().strip()
saved = base / "checkpoints/saved.txt"
print(f"resumed={saved.exists()}", flush=True)
saved.write_text("saved")
if mode == "fail":
    (base / "output/failure").write_text("ValueError: the column is missing")
    sys.exit(1)
if mode == "memory":
    os.kill(os.getpid(), 9)
if mode == "sleep":
    time.sleep(60)
print("accuracy=0.9", flush=True)
if mode == "empty":
    sys.exit(0)
(base / "model/model.txt").write_text("model")
"""


def functions() -> bytes:
    """The functions' code as a deployment's asset."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for package in ("validate_training_request", "evaluate_model"):
            for file in (ROOT / "lambda" / package).glob("*.*"):
                archive.write(file, f"{package}/{file.name}")
    return packed.getvalue()


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return packed.getvalue()


def _image(repository: str, parameter: str) -> ImageByDigest:
    return ImageByDigest(
        image=dlc_catalog.resolve("training", transformers="4.49.0", region="us-east-1"),
        repository_uri=repository,
        parameter_name=parameter,
        parameter_arn=f"arn:aws:ssm:us-east-1:123456789012:parameter{parameter}",
        missing="built yet: run hfsm build",
    )


class WorkflowMachine(Stack):
    """The state machine.

    bucket: holds the functions' code as `functions.zip`, data, checkpoints and models. repository: of the image.
    images: repositories of further ones that a request may name; `PARAMETER/<name>` says their digests.
    parameter: says the image, for jobs and models. group: name of the model package group.
    limit: how many runs go on at a time. Omitted: all.
    machine: the state machine.
    """

    def __init__(
        self,
        *,
        repository: str,
        bucket: str,
        images: Mapping[str, str] | None = None,
        limit: ConcurrencyLimit | None = None,
        parameter: str = PARAMETER,
        group: str = GROUP,
    ) -> None:
        app = App(builtin_cloud_formation_validation=False, analytics_reporting=False)
        super().__init__(
            app,
            "Workflow",
            env=Environment(account="123456789012", region="us-east-1"),
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False, file_assets_bucket_name=bucket),
        )
        self._bucket = s3.Bucket.from_bucket_name(self, "Bucket", bucket)
        image = _image(repository, parameter)
        others = {name: _image(uri, f"{parameter}/{name}") for name, uri in (images or {}).items()}
        named = {name: each.parameter_name for name, each in {"training": image, **others}.items()}
        buckets = {"checkpoints_bucket": bucket, "data_buckets": [bucket], "models_bucket": bucket}
        self.validate = self._function("Validate", "validate_training_request")
        states = TrainingStates(
            self,
            "States",
            place=self._place(),
            validate=self.validate,
            request_defaults=DEFAULTS | buckets | {"images": named},
            evaluate=self._function("Evaluate", "evaluate_model"),
            model_package_group_name=group,
            registry={
                "job_type": "text",
                "environment": "dev",
                "metric": "accuracy",
                "approve_at": 0.95,
                "card": {"purpose_of_model": "Tests of the workflow."},
                "reports": f"s3://{bucket}/reports/text/",
            },
            training_images={"training": image, **others},
            inference_image=image,
            task="text-classification",
            limit=limit,
            processing=JobInstances(type="ml.m5.large"),
            processing_max_run=60,
        )
        self.machine = sfn.StateMachine(
            self, "Machine", definition_body=sfn.DefinitionBody.from_chainable(states.start)
        )
        CfnOutput(self, "Arn", value=self.machine.state_machine_arn)

    @property
    def template(self) -> str:
        """As CloudFormation takes it."""
        app: Any = self.node.root
        return json.dumps(app.synth().get_stack_by_name("Workflow").template)

    def publish_assets(self, client: Any) -> None:
        """Puts what the template names as code where it names it."""
        app: Any = self.node.root
        out = Path(app.synth().directory)
        manifest = json.loads((out / "Workflow.assets.json").read_text())
        for asset in manifest["files"].values():
            source = out / asset["source"]["path"]
            if source.is_dir():
                (destination,) = asset["destinations"].values()
                client.put_object(Bucket=destination["bucketName"], Key=destination["objectKey"], Body=_zipped(source))

    def _function(self, name: str, package: str) -> lambda_.IFunction:
        return lambda_.Function(
            self,
            f"{name}Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler=f"{package}.handler.handle",
            code=lambda_.Code.from_bucket(self._bucket, "functions.zip"),
            timeout=Duration.seconds(10),
        )

    def _place(self) -> TrainingJobPlace:
        vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id="vpc-1",
            availability_zones=["us-east-1a", "us-east-1b"],
            isolated_subnet_ids=["subnet-1", "subnet-2"],
        )
        group = ec2.SecurityGroup.from_security_group_id(self, "Group", "sg-1", mutable=False)
        return TrainingJobPlace(
            role=iam.Role(self, "JobRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
            placement=Placement(vpc=vpc, subnets=vpc.isolated_subnets, security_groups=[group]),
            key=kms.Key.from_key_arn(self, "Key", f"arn:aws:kms:us-east-1:{self.account}:key/jobs"),
            models_bucket=self._bucket,
            prefix="models/",
        )
