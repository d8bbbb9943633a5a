"""A model of the Hub, on the embedded AWS: from the settings by the mirror into a training job, all of it really run.

The tests of this module build on each other and run in the order of the file.
"""

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.local.compute_projects import log_lines, until
from tests.local.embedded_aws import start_localcloud
from tests.local.test_end_to_end import ROOT, Environment
from tests.runtime.hub_server import HubServer

MODEL, CODE = "team/tiny", "team/with-code"
TOKEN = "hf_" + "y" * 34
# A model whose shape shows in the job's log: its width is no default of anything.
MAKE_MODEL = """
import sys
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
folder = sys.argv[1]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "was", "good", "bad", "not"]
open(f"{folder}/words.txt", "w").write("\\n".join(words))
config = BertConfig(vocab_size=len(words), hidden_size=24, num_hidden_layers=1, num_attention_heads=2,
                    intermediate_size=32)
BertForSequenceClassification(config).save_pretrained(folder)
BertTokenizerFast(vocab_file=f"{folder}/words.txt", model_max_length=64).save_pretrained(folder)
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A gated model that can be trained on, and one with code of its own."""
    folder = tmp_path_factory.mktemp("model")
    subprocess.run([os.environ["HFSM_TRAINING_PYTHON"], "-c", MAKE_MODEL, str(folder)], check=True, timeout=120)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server = HubServer()
    server.publish(MODEL, files, token=TOKEN)
    server.publish(CODE, files | {"modeling.py": b"print('unread')"})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def environment(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("mirror")
    with pytest.MonkeyPatch.context() as patch:
        # What runs in the embedded AWS has this machine's environment: its Hub is the one on loopback.
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        running = start_localcloud(folder / "cloud", arguments=("--image-store", os.environ["HFSM_IMAGE_STORE"]))
    environment = Environment(running, folder)
    bootstrap = environment.cdk("bootstrap", "--app", "", "aws://123456789012/us-east-1")
    assert bootstrap.returncode == 0, bootstrap.stderr
    yield environment
    running.stop()


@pytest.fixture(scope="module")
def deployed(environment: Environment) -> Environment:
    """dev, whose settings name both models and the token's secret."""
    secrets = environment.running.client("secretsmanager")
    secret = secrets.create_secret(Name="hub-token", SecretString=TOKEN)["ARN"]
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["hub"] = {
        "token_secret_arn": secret,
        "models": [{"id": MODEL, "revision": "main"}, {"id": CODE, "revision": "main"}],
    }
    settings, out = environment.folder / "environments", str(environment.folder / "cdk.out")
    settings.mkdir()
    (settings / "dev.yaml").write_text(yaml.safe_dump(content))
    synth = environment.cdk("synth", "--quiet", "--output", out, "-c", f"environments={settings}")
    assert synth.returncode == 0, synth.stderr
    done = environment.cdk("deploy", "--app", out, "dev/*", "--require-approval", "never", "--method", "direct")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return environment


def _everything_said(environment: Environment) -> str:
    """Descriptions and logs of all builds."""
    codebuild, logs = environment.running.client("codebuild"), environment.running.client("logs")
    builds = codebuild.batch_get_builds(ids=codebuild.list_builds()["ids"])["builds"]
    lines = [log_lines(logs, build["logs"]["groupName"], build["logs"]["streamName"]) for build in builds]
    return json.dumps([builds, lines], default=str)


def _stored(environment: Environment) -> dict[str, Any]:
    """Keys below hub/ → how each object is encrypted."""
    s3, ssm = environment.running.client("s3"), environment.running.client("ssm")
    bucket = ssm.get_parameter(Name="/hf-sagemaker/dev/data/models-bucket")["Parameter"]["Value"]
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix="hub/").get("Contents", [])]
    return {key: s3.head_object(Bucket=bucket, Key=key).get("SSEKMSKeyId") for key in keys}


def test_the_build_brings_a_gated_model_by_its_own_buildspec(deployed: Environment, hub: HubServer) -> None:
    # When an operator brings a model of the settings
    done = deployed.hfsm("mirror", MODEL, "--env", "dev")
    # Then it is there, at the commit that its branch was, encrypted with the key of the models
    assert done.returncode == 0, done.stdout + done.stderr
    commit = hub.models[MODEL].references["main"]
    assert f"/hub/team--tiny/{commit}/" in done.stdout
    stored = _stored(deployed)
    assert f"hub/team--tiny/{commit}/model.safetensors" in stored
    assert f"hub/team--tiny/{commit}.json" in stored
    key = deployed.running.client("ssm").get_parameter(Name="/hf-sagemaker/dev/data/models-key-arn")["Parameter"]
    assert set(stored.values()) == {key["Value"]}
    # And the token is in no log and no description of the build
    said = _everything_said(deployed)
    assert "hfsm.mirrored" in said
    assert TOKEN not in said


def test_what_may_not_be_brought_fails_the_build_and_says_why(deployed: Environment) -> None:
    done = deployed.hfsm("mirror", "--env", "dev")
    assert done.returncode == 1
    assert f"REFUSED {CODE}@main" in done.stderr
    assert "holds code of its own (modeling.py)" in done.stderr
    # And what was there was not brought again
    assert f"{MODEL}@" in done.stdout
    assert "was there already" in done.stdout
    assert not [key for key in _stored(deployed) if key.startswith("hub/team--with-code/") and "refs" not in key]


def test_the_list_names_what_is_there(deployed: Environment, hub: HubServer) -> None:
    done = deployed.hfsm("mirror", "--list", "--env", "dev")
    assert done.returncode == 0, done.stderr
    assert MODEL in done.stdout
    assert CODE not in done.stdout


def test_a_job_starts_from_the_mirrored_model(deployed: Environment, hub: HubServer) -> None:
    # Given the training image
    built = deployed.hfsm("build", "--env", "dev")
    assert built.returncode == 0, built.stdout + built.stderr
    # When a request names the model by its branch
    hyperparameters = {"max_steps": 2, "save_steps": 2, "logging_steps": 1, "train_batch_size": 8}
    request = deployed.request("mirrored", model=f"hub/{MODEL}@main", hyperparameters=hyperparameters)
    done = deployed.hfsm("train", str(request), "--env", "dev")
    # Then the job has started from it, at the commit that was mirrored
    assert done.returncode == 0, done.stdout + done.stderr
    sagemaker = deployed.running.client("sagemaker")
    (job,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    described = sagemaker.describe_training_job(TrainingJobName=job["TrainingJobName"])
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in described["InputDataConfig"]}
    assert channels["model"].endswith(f"/hub/team--tiny/{hub.models[MODEL].references['main']}/")
    assert _trained_width(deployed, described) == 24


def _trained_width(environment: Environment, job: dict[str, Any]) -> int:
    """The hidden size of the model that a job has made."""
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    body = environment.running.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        content = archive.extractfile("config.json")
        assert content is not None
        return int(json.load(content)["hidden_size"])


def test_a_commit_that_is_not_there_starts_no_job(deployed: Environment) -> None:
    # Given a request that reaches the state machine without hfsm's own look
    ssm, states = deployed.running.client("ssm"), deployed.running.client("stepfunctions")
    name = "/hf-sagemaker/dev/training/text-classification/state-machine-arn"
    machine = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    bucket = ssm.get_parameter(Name="/hf-sagemaker/dev/data/data-bucket")["Parameter"]["Value"]
    request = {
        "schema_version": "1",
        "name": "half",
        "channels": {"train": f"s3://{bucket}/train/"},
        "model": f"hub/{CODE}@{'0' * 40}",
    }
    started = states.start_execution(stateMachineArn=machine, input=json.dumps(request))["executionArn"]
    ended = until(
        lambda: states.describe_execution(executionArn=started), lambda e: e["status"] != "RUNNING", seconds=60
    )
    assert ended["status"] == "FAILED"
    assert "is not in the mirror of the Hub, or not whole" in ended["cause"]
