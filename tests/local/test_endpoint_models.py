"""Endpoints from the mirror and from S3, on the embedded AWS: deployed by the real CLI, served by the real server.

The tests of this module build on each other and run in the order of the file.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.local.embedded_aws import start_localcloud
from tests.local.test_end_to_end import ROOT, Environment
from tests.local.test_hub_mirror import MAKE_MODEL
from tests.runtime.hub_server import HubServer

MODEL = "team/tiny"
ARCHIVE = "trained/by-hand/model.tar.gz"
TEXTS = ["the film was good", "the film was not bad"]
PREDICT = """
import json, sys
from transformers import pipeline
print(json.dumps(pipeline("text-classification", model=sys.argv[1])(json.loads(sys.argv[2]))))
"""


@dataclass
class Models:
    """A model on the Hub, the same one as a folder, and the environment whose endpoints serve it."""

    environment: Environment
    folder: Path
    commit: str

    @property
    def code(self) -> Path:
        return self.environment.folder / "environments/code"

    def deploy(self, *stacks: str) -> subprocess.CompletedProcess[str]:
        """Deploys what was synthesised: these stacks, all when none is named."""
        options = ("--require-approval", "never", "--method", "direct")
        named = (*stacks, "--exclusively") if stacks else ("dev/*",)
        return self.environment.cdk("deploy", "--app", self._out, *named, *options)

    def synthesise(self) -> None:
        """dev with both endpoints."""
        settings = self.environment.folder / "environments"
        content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
        content["hub"] = {"models": [{"id": MODEL, "revision": "main"}]}
        (endpoint,) = content["inference"]["endpoints"]
        content["inference"]["endpoints"] = [
            {**endpoint, "name": name, "model": {**model, "task": "text-classification"}}
            for name, model in {
                "mirrored": {"hub": f"{MODEL}@{self.commit}", "code": "code"},
                "archived": {"s3": ARCHIVE},
            }.items()
        ]
        (settings / "dev.yaml").write_text(yaml.safe_dump(content))
        shutil.rmtree(self._out, ignore_errors=True)
        synth = self.environment.cdk("synth", "--quiet", "--output", self._out, "-c", f"environments={settings}")
        assert synth.returncode == 0, synth.stderr

    @property
    def _out(self) -> str:
        return str(self.environment.folder / "cdk.out")

    def answers(self, endpoint: str) -> Any:
        answer = self.environment.running.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=f"dev-{endpoint}", ContentType="application/json", Body=json.dumps({"inputs": TEXTS})
        )
        return json.load(answer["Body"])

    def packages(self) -> set[str]:
        return {key.split("/")[1] for key in self._keys() if key.endswith("/code/inference.py")}

    def put_archive(self) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path in sorted(self.folder.iterdir()):
                archive.add(path, arcname=path.name)
        s3 = self.environment.running.client("s3")
        s3.put_object(Bucket=self._bucket, Key=ARCHIVE, Body=packed.getvalue())

    def _keys(self) -> list[str]:
        s3 = self.environment.running.client("s3")
        return [each["Key"] for each in s3.list_objects_v2(Bucket=self._bucket, Prefix="packages/").get("Contents", [])]

    @property
    def _bucket(self) -> str:
        ssm = self.environment.running.client("ssm")
        value: str = ssm.get_parameter(Name="/hf-sagemaker/dev/data/models-bucket")["Parameter"]["Value"]
        return value

    def events(self) -> int:
        """How much has ever happened to the stacks of endpoints."""
        api = self.environment.running.client("cloudformation")
        pages = [
            page
            for name in ("dev-EndpointArchived", "dev-EndpointMirrored")
            for page in api.get_paginator("describe_stack_events").paginate(StackName=name)
        ]
        return sum(len(page["StackEvents"]) for page in pages)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    folder, made = tmp_path_factory.mktemp("endpoint-models"), tmp_path_factory.mktemp("model")
    subprocess.run([os.environ["HFSM_TRAINING_PYTHON"], "-c", MAKE_MODEL, str(made)], check=True, timeout=120)
    hub = HubServer()
    commit = hub.publish(MODEL, {path.name: path.read_bytes() for path in made.iterdir()})
    with pytest.MonkeyPatch.context() as patch:
        # What runs in the embedded AWS has this machine's environment: its Hub is the one on loopback.
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        running = start_localcloud(folder / "cloud", arguments=("--image-store", os.environ["HFSM_IMAGE_STORE"]))
    environment = Environment(running, folder)
    bootstrap = environment.cdk("bootstrap", "--app", "", "aws://123456789012/us-east-1")
    assert bootstrap.returncode == 0, bootstrap.stderr
    shutil.copytree(ROOT / "tests/environments/code", folder / "environments/code")
    yield Models(environment, made, commit)
    running.stop()
    hub.stop()


@pytest.fixture(scope="module")
def expected(models: Models) -> Any:
    """What the model answers when it is run directly."""
    command = [os.environ["HFSM_INFERENCE_PYTHON"], "-c", PREDICT, str(models.folder), json.dumps(TEXTS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])


def _same(answers: Any, expected: Any) -> bool:
    return [each["label"] for each in answers] == [each["label"] for each in expected] and all(
        abs(one["score"] - other["score"]) < 1e-4 for one, other in zip(answers, expected, strict=True)
    )


def test_what_is_missing_on_a_fresh_environment_is_told_at_once(models: Models) -> None:
    # Given an environment that names a model before anything is built or mirrored; when it is deployed
    models.synthesise()
    assert models.deploy().returncode != 0
    # Then all but the endpoints is there, and of an endpoint people read what to do
    done = models.deploy("dev/EndpointMirrored")
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "Build it with `hfsm build inference`, then deploy again" in said
    assert f"hub/{MODEL}@{models.commit} is not in the mirror of the Hub, or not whole" in said
    assert "`hfsm mirror team/tiny`" in said


@pytest.mark.parametrize("command", ["build inference", "mirror"])
def test_what_they_are_told_to_do_can_be_done(models: Models, command: str) -> None:
    done = models.environment.hfsm(*command.split(), "--env", "dev")
    assert done.returncode == 0, done.stdout + done.stderr


def test_deployed_again_both_endpoints_answer(models: Models, expected: Any) -> None:
    # Given the image, the mirrored model, and an archive of the same model
    models.put_archive()
    # When the endpoints are deployed
    deployed = models.deploy("dev/Endpoint*")
    assert deployed.returncode == 0, deployed.stdout[-2000:] + deployed.stderr[-2000:]
    # Then both answer as the model does, and the team's code has marked the answers of the one that it lies beside
    mirrored, archived = models.answers("mirrored"), models.answers("archived")
    assert _same(mirrored, expected)
    assert _same(archived, expected)
    assert {answer.get("by") for answer in mirrored} == {"code of the team"}
    assert {answer.get("by") for answer in archived} == {None}
    # and each runs in the image that was built, by its digest
    ssm, sagemaker = models.environment.running.client("ssm"), models.environment.running.client("sagemaker")
    digest = ssm.get_parameter(Name="/hf-sagemaker/dev/images/inference/digest")["Parameter"]["Value"]
    names = [each["ModelName"] for each in sagemaker.list_models()["Models"]]
    used = {sagemaker.describe_model(ModelName=name)["PrimaryContainer"]["Image"] for name in names}
    assert used == {digest}


def test_operators_see_what_is_served(models: Models) -> None:
    status = json.loads(models.environment.hfsm("status", "--json", "--env", "dev").stdout)
    served = {endpoint["name"]: endpoint["model"] for endpoint in status["endpoints"]}
    assert served == {"dev-mirrored": f"hub/{MODEL}@{models.commit} with code/", "dev-archived": ARCHIVE}
    predicted = models.environment.hfsm("predict", "archived", *TEXTS, "--env", "dev")
    assert f"dev-archived serves {ARCHIVE}" in predicted.stdout


def test_without_a_change_nothing_is_made(models: Models) -> None:
    before, packages = models.events(), models.packages()
    done = models.deploy("dev/Endpoint*")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(no changes)" in done.stdout + done.stderr
    assert (models.events(), models.packages()) == (before, packages)


def test_changed_code_is_another_package_and_the_one_from_before_stays(models: Models, expected: Any) -> None:
    (before,) = models.packages()
    (models.code / "mark.py").write_text('MARK = "changed code"\n')
    models.synthesise()
    done = models.deploy("dev/Endpoint*")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    answers = models.answers("mirrored")
    assert _same(answers, expected)
    assert {answer["by"] for answer in answers} == {"changed code"}
    assert before in models.packages()
    assert len(models.packages()) == 2
