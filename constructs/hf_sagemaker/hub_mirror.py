"""Models of the Hugging Face Hub, brought into the models bucket by the only build that may leave the network."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.fetching_build import FetchingBuild
from hf_sagemaker.placement import Placement

MODELS_VARIABLE = "MODELS"
"""Environment variable that limits a build to some of its models."""
_CODE = Path(__file__).with_name("runtime") / "mirror"
_BUILD = {
    "version": "0.2",
    "env": {
        "shell": "bash",
        "variables": {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"},
    },
    "phases": {
        "install": {
            "runtime-versions": {"python": "3.12"},
            "commands": [
                "python3 -m venv environment",
                "environment/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: "
                "--require-hashes --requirement requirements.txt",
            ],
        },
        "build": {"commands": ["environment/bin/python mirror.py"]},
    },
}


@dataclass(frozen=True, kw_only=True)
class HubModel:
    """A model that the mirror brings.

    id: `<namespace>/<name>` on the Hub.
    revision: a commit of 40 hexadecimal digits; or a branch or tag, which is resolved when it is brought first and
        stays that commit.
    allow_pickle: also bring weights in formats that may run code when they are loaded. Omitted: safetensors only.
    allow_remote_code: the commits whose own code (trust_remote_code) people have read. Omitted: a model that has any
        is refused.
    """

    id: str
    revision: str
    allow_pickle: bool = False
    allow_remote_code: Sequence[str] = ()


class HubMirror(Construct):
    """The build project that brings models from the Hub to `hub/` in the models bucket.

    project: `aws codebuild start-build --project-name …` brings what is not there yet; the variable MODELS, names with
        spaces between, limits it to some of the models.

    Its role reads the token when the build runs: the token is in no variable, template or log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        models: Sequence[HubModel],
        bucket: s3.IBucket,
        keys: EnvironmentKeys,
        role: iam.Role,
        placement: Placement | None = None,
        token_secret_arn: str | None = None,
        endpoint: str | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the project.

        models: the only ones that it brings.
        bucket: the models bucket, into which the role may write below `hub/`.
        role: assumed by the build. Log and source access are added here.
        placement: where it runs; must have a way to the Hub. Omitted: outside every VPC, where it reaches the Hub and,
            of this account, what its role may.
        token_secret_arn: the secret with the Hub's token, as plain text, which the role may read. Omitted: public
            models only.
        endpoint: address of another server that speaks the Hub's API; it gets the token. Omitted: the Hugging Face Hub.
        removal_policy: of the logs. Omitted: they are kept.
        """
        super().__init__(scope, construct_id)
        variables = {"MODELS_BUCKET": bucket.bucket_name}
        if token_secret_arn:
            variables["HUB_SECRET_ARN"] = token_secret_arn
        if endpoint:
            variables["HF_ENDPOINT"] = endpoint.rstrip("/")
        build = FetchingBuild(
            description="Brings models of the Hugging Face Hub into the models bucket",
            source=self._source(models),
            variables=variables,
            specification=_BUILD,
            compute_type=codebuild.ComputeType.MEDIUM,  # 128 GB of disk; one file at a time lies there
            timeout=Duration.hours(8),  # the longest; what it has not brought, the next one does
            queued_timeout=Duration.hours(1),
        )
        self.project = build.project(self, keys=keys, role=role, placement=placement, removal_policy=removal_policy)

    def _source(self, models: Sequence[HubModel]) -> assets.Asset:
        """The code together with the models: what a build may bring is decided where it is deployed."""
        with TemporaryDirectory() as folder:
            shutil.copytree(_CODE, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            entries = json.dumps([asdict(model) for model in models], indent=2)
            (Path(folder) / "models.json").write_text(entries, encoding="utf-8")
            return assets.Asset(self, "Source", path=folder)
