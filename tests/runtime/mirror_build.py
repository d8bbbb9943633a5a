"""The mirror's build without CodeBuild: its source, its variables, and what it leaves in S3."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3

from tests.runtime.hub_server import HubServer

MODEL = "team/small"


class Mirror:
    """The build's source, run as the build runs it, with a models bucket of its own."""

    def __init__(self, folder: Path, code: Path, python: Path, hub: HubServer, aws: str) -> None:
        shutil.copytree(code, folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.folder, self.python = folder, python
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        self.s3 = self._client("s3", aws)
        self.secrets = self._client("secretsmanager", aws)
        self.bucket = folder.parent.name.lower().replace("_", "-").strip("-")
        self.s3.create_bucket(Bucket=self.bucket)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HF_", "PYTHON"))}
        self.environment = {
            **kept,
            **keys,
            "AWS_ENDPOINT_URL": aws,
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "MODELS_BUCKET": self.bucket,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def _client(self, service: str, aws: str) -> Any:
        return boto3.client(
            service, endpoint_url=aws, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
        )

    def settings(self, *models: dict[str, Any]) -> None:
        defaults = {"id": MODEL, "allow_pickle": False, "allow_remote_code": []}
        (self.folder / "models.json").write_text(json.dumps([{**defaults, **model} for model in models]))

    def start(self, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.python), "mirror.py"],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **variables: str) -> tuple[int, str]:
        """Exit code and output."""
        process = self.start(**variables)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def refused(self, **variables: str) -> str:
        """What a run said that brought nothing to see."""
        code, output = self.run(**variables)
        assert code == 1, output
        assert not self.manifests()
        return output

    def stored(self) -> set[str]:
        return {each["Key"] for each in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])}

    def manifests(self) -> list[str]:
        return [key for key in self.stored() if key.count("/") == 2]

    def manifest(self, commit: str, model: str = MODEL) -> dict[str, Any]:
        key = f"hub/{model.replace('/', '--')}/{commit}.json"
        manifest: dict[str, Any] = json.load(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"])
        return manifest
