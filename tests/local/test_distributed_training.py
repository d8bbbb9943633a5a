"""Jobs of two instances: two process trees that train one model together, with the training code that is shipped."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.compute_projects import Projects, log_lines
from tests.local.test_compute_training import Jobs, channel
from validate_training_request import distribution

RUNTIME = Path(__file__).parents[2] / "constructs/hf_sagemaker/runtime"
STEPS = 120
PARAMETERS = {
    "max_steps": STEPS,
    "train_batch_size": 4,
    "save_steps": 20,
    "logging_steps": 1,
    "hidden_size": 16,
    "vocab_size": 300,
    "seed": 3,
}
CONFIGURATION = {"distributed_type": "MULTI_CPU", "mixed_precision": "no"}  # FSDP and DeepSpeed need GPUs
# Runs on both instances by itself: says what it was given, leaves a file, and on the second one fails.
APART = """
import json, os, pathlib, sys, time
host, model = os.environ["SM_CURRENT_HOST"], pathlib.Path(os.environ["SM_MODEL_DIR"])
names = sorted(path.name for path in pathlib.Path(os.environ["SM_CHANNEL_PARTS"]).iterdir())
print(f"host {host} of {os.environ['SM_HOSTS']} has {','.join(names)}")
(model / f"{host}.txt").write_text(host)
(model / "both.txt").write_text(host)
if host == "algo-2" and "--fail" in sys.argv:
    time.sleep(1)
    raise ValueError("the second half has no labels")
if "--fail" in sys.argv:
    time.sleep(100)
"""


def _sentence(number: int) -> str:
    verdict = ("is dull", "is a joy")[number % 2]
    return f"The {('film', 'book', 'song', 'play', 'meal')[number % 5]} of day {number % 37} {verdict}."


@pytest.fixture(scope="module")
def jobs(localcloud: Any) -> Iterator[Jobs]:
    """The training image as it is built, on two instances."""
    projects = Projects(localcloud)
    code = [*(RUNTIME / "training").rglob("*.py"), RUNTIME / "images/training/requirements.txt"]
    files = {path.relative_to(RUNTIME).as_posix(): path.read_text() for path in code}
    files["Dockerfile"] = (RUNTIME / "images/training/Dockerfile").read_text()
    image = projects.image({**files, "training/apart.py": APART}, "training")
    rows = [json.dumps({"text": _sentence(n), "label": n % 2}) + "\n" for n in range(240)]
    for name, part in (("train", rows[:200]), ("test", rows[200:])):
        body = "".join(part).encode()
        projects.s3.put_object(Bucket=projects.bucket, Key=f"data/{name}/{name}.jsonl", Body=body)
    for name in "abc":
        projects.s3.put_object(Bucket=projects.bucket, Key=f"parts/{name}", Body=b"x")
    yield Jobs(localcloud, image, projects.bucket)


def _start(jobs: Jobs, how: dict[str, Any], parameters: dict[str, Any], **changes: Any) -> str:
    values = {**parameters, **distribution.hyper_parameters(how, "ml.g4dn.xlarge")}
    resources = {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30}
    channels = [channel(f"s3://{jobs.bucket}/data/{name}/", name) for name in ("train", "test")]
    request = {
        "HyperParameters": {name: json.dumps(value) for name, value in values.items()},
        "ResourceConfig": resources,
        "InputDataConfig": channels,
        "StoppingCondition": {"MaxRuntimeInSeconds": 180, "MaxWaitTimeInSeconds": 240},
    }
    return jobs.start(**{**request, **changes})


def _log(jobs: Jobs, name: str, host: str) -> list[str]:
    return log_lines(jobs.logs, "/aws/sagemaker/TrainingJobs", f"{name}/{host}-")


def _records(lines: list[str], kind: str) -> list[dict[str, str]]:
    found = [line.split()[1:] for line in lines if line.startswith(f"hfsm.{kind} ")]
    return [dict(word.split("=", 1) for word in words) for words in found]


def _losses(lines: list[str]) -> dict[str, str]:
    return {record["step"]: record["loss"] for record in _records(lines, "step")}


def _model(jobs: Jobs, job: dict[str, Any]) -> dict[str, bytes]:
    key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(f"{jobs.bucket}/")[2]
    body = jobs.s3.get_object(Bucket=jobs.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        # as an extraction does it: a later member takes the place of an earlier one
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def test_two_interrupted_instances_learn_what_two_uninterrupted_ones_learn(jobs: Jobs) -> None:
    # Given a job that torchrun starts on two instances, and the same under `accelerate launch`, with a configuration
    interrupted = _start(jobs, {"torch_distributed": {"enabled": True}}, PARAMETERS)
    whole = _start(jobs, {"accelerate": {"enabled": True, "config": CONFIGURATION}}, PARAMETERS)

    # When the spot instances of the first are taken away
    jobs.wait_for_line(interrupted, "hfsm.step step=25 ")
    assert jobs.interrupt(interrupted) == 202
    done = {name: jobs.ended(name) for name in (interrupted, whole)}

    # Then both end well, with a process on each instance in each log
    logs = {name: {host: _log(jobs, name, host) for host in ("algo-1", "algo-2")} for name in done}
    for name, job in done.items():
        assert job["TrainingJobStatus"] == "Completed", (job.get("FailureReason"), *logs[name].values())
    attempts = {interrupted: 2, whole: 1}
    for name, of_host in logs.items():
        for rank, host in enumerate(("algo-1", "algo-2")):
            introduced = _records(of_host[host], "process")
            assert [(said["rank"], said["processes"]) for said in introduced] == [(str(rank), "2")] * attempts[name]
        assert _losses(of_host["algo-2"]) == {}

    # And the interruption cost not one step: both agreed on where to save, and all parts came back
    lines = logs[interrupted]["algo-1"]
    (said,) = _records(lines, "interrupted")
    assert said["checkpoint_step"] == said["step"]
    assert [start["resumed_from_step"] for start in _records(lines, "start")] == ["0", said["step"]]
    assert _losses(lines) == _losses(logs[whole]["algo-1"])
    assert len(_losses(lines)) == STEPS
    assert _records(lines, "result") == _records(logs[whole]["algo-1"], "result")

    # And the checkpoint in S3 vouches for what each instance has written
    key = f"checkpoints/{interrupted}/checkpoint-{said['step']}/manifest.json"
    manifest = json.loads(jobs.s3.get_object(Bucket=jobs.bucket, Key=key)["Body"].read())
    assert manifest["processes"] == 2
    assert {"rng_state_0.pth", "rng_state_1.pth", "model.safetensors"} <= set(manifest["files"])

    # And one model is there, which is whole
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(_model(jobs, done[interrupted]))

    # And accelerate got the configuration, with SageMaker's instances in it
    assert any("accelerate launch --config_file" in line for line in logs[whole]["algo-2"])


def test_instances_apart_share_a_channel_and_leave_one_model(jobs: Jobs) -> None:
    # Given a job without a distribution, and one whose second instance fails, with data that is dealt out
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.bucket}/parts/"}
    dealt = {
        "ChannelName": "parts",
        "DataSource": {"S3DataSource": {**source, "S3DataDistributionType": "ShardedByS3Key"}},
    }
    program = {"sagemaker_program": "apart.py"}
    changes = {"InputDataConfig": [dealt], "CheckpointConfig": None}
    good = _start(jobs, {}, program, **changes)
    bad = _start(jobs, {}, {**program, "fail": True}, **changes)

    # When they have ended
    done, failed = jobs.ended(good), jobs.ended(bad)

    # Then each instance had its share, and the model holds what both have left
    assert done["TrainingJobStatus"] == "Completed", done
    for host, names in (("algo-1", "a,c"), ("algo-2", "b")):
        assert f'host {host} of ["algo-1","algo-2"] has {names}' in _log(jobs, good, host)
    assert _model(jobs, done) == {"algo-1.txt": b"algo-1", "algo-2.txt": b"algo-2", "both.txt": b"algo-1"}

    # And the reason of a failure is that of the instance which failed, and the other one was not waited for
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith("AlgorithmError: ValueError: the second half has no labels")
    assert failed["TrainingTimeInSeconds"] < 60
