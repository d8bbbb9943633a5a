"""A model of the Hub, on the embedded AWS: from the settings by the mirror into training jobs, all of it really run.

The jobs are those of docs/examples, which share this deployment.

The tests of this module build on each other and run in the order of the file.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.local.compute_projects import log_lines, until
from tests.local.embedded_aws import start_localcloud
from tests.local.test_end_to_end import ROOT, Environment
from tests.runtime.git_server import GitServer
from tests.runtime.hub_server import HubServer

MODEL, CODE = "distilbert/distilbert-base-uncased", "team/with-code"
FOLDER = MODEL.replace("/", "--")
EXAMPLES = ROOT / "docs/examples"
TOKEN = "hf_" + "y" * 34
# A model whose shape shows in the job's log: its width is no default of anything.
MAKE_MODEL = """
import sys
from transformers import BertTokenizerFast, DistilBertConfig, DistilBertForSequenceClassification
folder = sys.argv[1]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "was", "good", "bad", "not"]
open(f"{folder}/words.txt", "w").write("\\n".join(words))
config = DistilBertConfig(vocab_size=len(words), dim=24, n_layers=1, n_heads=2, hidden_dim=32)
DistilBertForSequenceClassification(config).save_pretrained(folder)
inputs = ["input_ids", "attention_mask"]  # DistilBERT knows no other
tokenizer = BertTokenizerFast(vocab_file=f"{folder}/words.txt", model_max_length=64, model_input_names=inputs)
tokenizer.save_pretrained(folder)
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
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """The repository of the example."""
    server = GitServer(tmp_path_factory.mktemp("git"))
    files = EXAMPLES / "git/repository"
    server.commit("team/code", {path.relative_to(files).as_posix(): path.read_text() for path in files.rglob("*.py")})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def deployed(environment: Environment, git: GitServer) -> Environment:
    """dev, whose settings name both models and the token's secret, and what the examples need."""
    secrets = environment.running.client("secretsmanager")
    secret = secrets.create_secret(Name="hub-token", SecretString=TOKEN)["ARN"]
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["hub"] = {
        "token_secret_arn": secret,
        "models": [{"id": MODEL, "revision": "main"}, {"id": CODE, "revision": "main"}],
    }
    content["training"]["git"] = {"allowed_repositories": [git.address("team/*")]}
    content["training"]["job_types"][0]["max_instance_count"] = 2
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
    assert f"/hub/{FOLDER}/{commit}/" in done.stdout
    stored = _stored(deployed)
    assert f"hub/{FOLDER}/{commit}/model.safetensors" in stored
    assert f"hub/{FOLDER}/{commit}.json" in stored
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
    assert MODEL.split("/")[0] in done.stdout
    assert CODE not in done.stdout


@pytest.fixture(scope="module")
def outcomes(deployed: Environment, git: GitServer) -> dict[str, dict[str, Any]]:
    """Every example, run at the same time as the others: folder → the execution's output, with the job described."""
    built = deployed.hfsm("build", "--env", "dev")
    assert built.returncode == 0, built.stdout + built.stderr
    of_git = json.loads((EXAMPLES / "git/request.json").read_text())
    of_git["git_config"]["repo"] = git.address("team/code")
    of_git["channels"] = {"train": str(EXAMPLES / "data/train.jsonl")}
    (deployed.folder / "git.json").write_text(json.dumps(of_git))
    requests = {
        folder.name: ["git.json" if folder.name == "git" else str(folder / "request.json")]
        for folder in EXAMPLES.iterdir()
        if (folder / "request.json").exists()
    }
    script = ("code/train.py", "--", "--epochs", "2")
    commands = {**requests, "accelerate": ["--accelerate-config", "sagemaker.yaml", *script]}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "hfsm", "train", "--env", "dev", *arguments],
            cwd=EXAMPLES / "accelerate" if name == "accelerate" else deployed.folder,
            env=deployed.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, arguments in commands.items()
    }
    said = {name: process.communicate(timeout=280)[0] for name, process in running.items()}
    failed = "\n".join(said[name] for name, process in running.items() if process.returncode)
    assert not failed, failed
    return {_outcome["name"]: _outcome for _outcome in _outcomes(deployed)}


def _outcomes(environment: Environment) -> Iterator[dict[str, Any]]:
    states, sagemaker = environment.running.client("stepfunctions"), environment.running.client("sagemaker")
    name = "/hf-sagemaker/dev/training/text-classification/state-machine-arn"
    machine = environment.running.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    for execution in states.list_executions(stateMachineArn=machine)["executions"]:
        described = states.describe_execution(executionArn=execution["executionArn"])
        output = json.loads(described["output"])
        job = sagemaker.describe_training_job(TrainingJobName=output["training"]["job_name"])
        tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]}
        package = sagemaker.describe_model_package(ModelPackageName=output["model_package_arn"])
        yield {
            "name": json.loads(described["input"])["name"],
            "job": job,
            "tags": tags,
            "package": package,
            "lines": environment.job_lines(job["TrainingJobName"]),
            **output,
        }


def test_every_example_runs(outcomes: dict[str, dict[str, Any]]) -> None:
    assert set(outcomes) == {
        "distilbert",
        "two-nodes",
        "spot",
        "of-git",
        "metrics",
        "tuning",
        "preparation",
        "evaluation",
        "accelerate",
    }
    assert all(outcome["evaluation"]["passed"] for outcome in outcomes.values())


def test_a_job_starts_from_the_mirrored_model(
    deployed: Environment, hub: HubServer, outcomes: dict[str, dict[str, Any]]
) -> None:
    # When a request names the model by its branch
    job = outcomes["distilbert"]["job"]
    # Then the job has started from it, at the commit that was mirrored
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in job["InputDataConfig"]}
    assert channels["model"].endswith(f"/hub/{FOLDER}/{hub.models[MODEL].references['main']}/")
    assert _trained_width(deployed, job) == 24


def test_two_instances_train_together(outcomes: dict[str, dict[str, Any]]) -> None:
    assert outcomes["two-nodes"]["job"]["ResourceConfig"]["InstanceCount"] == 2
    assert any("processes=2" in line for line in outcomes["two-nodes"]["lines"])


def test_a_script_on_spot_keeps_checkpoints(deployed: Environment, outcomes: dict[str, dict[str, Any]]) -> None:
    job = outcomes["spot"]["job"]
    assert job["EnableManagedSpotTraining"] is True
    bucket, _, prefix = job["CheckpointConfig"]["S3Uri"].removeprefix("s3://").partition("/")
    listed = deployed.running.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    assert any(entry["Key"].endswith("step-000020.json") for entry in listed)


def test_a_branch_of_git_is_recorded_as_the_commit_that_it_was(
    deployed: Environment, git: GitServer, outcomes: dict[str, dict[str, Any]]
) -> None:
    # Given a run of a branch's code, which was the one that the repository has
    outcome = outcomes["of-git"]
    assert "code of Git says hello" in outcome["lines"]
    commit = git.run("team/code", "rev-parse", "main")
    # Then job, registered model and output say which commit it was
    assert outcome["code"] == {
        "git-repository": git.address("team/code"),
        "git-branch": "main",
        "git-commit": commit,
    }
    assert outcome["tags"]["hf-sagemaker:git-commit"] == commit
    assert outcome["package"]["CustomerMetadataProperties"]["git-commit"] == commit
    # And its archive lies where no person can write
    (code,) = [c for c in outcome["job"]["InputDataConfig"] if c["ChannelName"] == "code"]
    assert f"/git/{code['DataSource']['S3DataSource']['S3Uri'].split('/git/')[1].split('/')[0]}/{commit}/" in str(code)
    builds = deployed.running.client("codebuild").list_builds()["ids"]
    assert len([build for build in builds if "Git" in build]) == 1


def test_metrics_of_the_log_are_the_gate(outcomes: dict[str, dict[str, Any]]) -> None:
    metrics = {each["MetricName"]: each["Value"] for each in outcomes["metrics"]["job"]["FinalMetricDataList"]}
    assert metrics["train:loss"] == pytest.approx(0.3333)
    assert outcomes["metrics"]["evaluation"]["metric"] == "f1"


def test_the_best_of_a_search_is_registered(deployed: Environment, outcomes: dict[str, dict[str, Any]]) -> None:
    # Given the search of the example
    job = outcomes["tuning"]["job"]
    sagemaker = deployed.running.client("sagemaker")
    tuning = sagemaker.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=job["TuningJobArn"].rsplit("/", 1)[1]
    )
    # Then the model that it registered is its best one's
    assert tuning["TrainingJobStatusCounters"]["Completed"] == 2
    assert tuning["BestTrainingJob"]["TrainingJobName"] == job["TrainingJobName"]
    (container,) = outcomes["tuning"]["package"]["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == job["ModelArtifacts"]["S3ModelArtifacts"]


def test_training_reads_what_was_prepared(deployed: Environment, outcomes: dict[str, dict[str, Any]]) -> None:
    # Given a run whose data a job before has tokenised
    job = outcomes["preparation"]["job"]
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in job["InputDataConfig"]}
    bucket, _, prefix = channels["train"].removeprefix("s3://").partition("/")
    listed = deployed.running.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    # Then the training job has read Arrow files, below a prefix of the run's own
    assert {f"{prefix}data.arrow", f"{prefix}prepared.json"} <= {entry["Key"] for entry in listed}
    assert "/prepared/text-classification/dev-preparation-" in channels["test"]
    assert any("train_rows=64 test_rows=16" in line for line in outcomes["preparation"]["lines"])


def test_a_model_is_judged_by_what_it_does_on_data(outcomes: dict[str, dict[str, Any]]) -> None:
    # Given a channel that the training code does not read, on which a job of its own has evaluated the model
    outcome = outcomes["evaluation"]
    assert outcome["evaluation"]["metrics"]["eval_rows"] == 16
    registered = outcome["package"]["CustomerMetadataProperties"]
    assert registered["eval_accuracy"] == str(outcome["evaluation"]["value"])


def test_a_file_of_accelerate_decides_what_the_script_reads(outcomes: dict[str, dict[str, Any]]) -> None:
    assert "epochs=2 precision=fp16" in outcomes["accelerate"]["lines"]


def test_git_code_that_is_not_there_starts_no_job(
    deployed: Environment, git: GitServer, outcomes: dict[str, dict[str, Any]]
) -> None:
    # Given a request that names a branch which nobody has made
    request = json.loads((deployed.folder / "git.json").read_text())
    request["git_config"]["branch"] = "none"
    (deployed.folder / "no-branch.json").write_text(json.dumps(request))
    # When it is trained
    done = deployed.hfsm("train", str(deployed.folder / "no-branch.json"), "--env", "dev")
    # Then that is said, and nothing was started
    assert done.returncode == 1
    assert "has no branch or tag 'none'" in " ".join(done.stdout.split())


def _trained_width(environment: Environment, job: dict[str, Any]) -> int:
    """The hidden size of the model that a job has made."""
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    body = environment.running.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        content = archive.extractfile("config.json")
        assert content is not None
        return int(json.load(content)["dim"])


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
