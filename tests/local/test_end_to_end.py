"""The main job on the embedded AWS, smaller than the demo: the real CDK CLI, toolkit, serving stack and `hfsm`.

The tests of this module build on each other's environment and run in the order of the file.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.local.embedded_aws import RunningLocalCloud, start_localcloud

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tools/hfsm/demo/data"
SAVE_STEPS = 20


class Environment:
    """dev, deployed to a running embedded AWS by the real CLI."""

    def __init__(self, running: RunningLocalCloud, folder: Path) -> None:
        self.running = running
        self.folder = folder
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ENDPOINT_URL": running.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "CDK_VALIDATION": "false",  # tests/compliance has it on
        }

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self.variables, capture_output=True, text=True, check=False, timeout=280
        )

    def hfsm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "hfsm", *arguments)

    def cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("node_modules/.bin/cdk", *arguments, "--no-notices")

    def deploy(self, model_package: str | None = None) -> subprocess.CompletedProcess[str]:
        """Synthesises and deploys dev, whose endpoint serves the model package where one is given."""
        settings = self.folder / "environments"
        settings.mkdir(exist_ok=True)
        content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
        content["inference"]["endpoints"][0]["model"] = model_package and {"model_package": model_package}
        (settings / "dev.yaml").write_text(yaml.safe_dump(content))
        out = str(self.folder / "cdk.out")
        shutil.rmtree(out, ignore_errors=True)
        synth = self.cdk("synth", "--quiet", "--output", out, "-c", f"environments={settings}")
        assert synth.returncode == 0, synth.stderr
        return self.cdk("deploy", "--app", out, "dev/*", "--require-approval", "never", "--method", "direct")

    def request(self, name: str, **changes: Any) -> Path:
        """A training request over a part of the shipped data."""
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        for part, lines in (("train", 480), ("test", 100)):
            kept = (DATA / f"{part}.jsonl").read_text().splitlines(keepends=True)[:lines]
            (data / f"{part}.jsonl").write_text("".join(kept))
        request = {
            "schema_version": "1",
            "name": name,
            "channels": {"train": str(data / "train.jsonl"), "test": str(data / "test.jsonl")},
            "hyperparameters": {"epochs": 8, "save_steps": SAVE_STEPS, "logging_steps": 5, "train_batch_size": 32},
            "evaluation": {"metric": "eval_accuracy", "minimum": 0.0},
        } | changes
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(request))
        return file

    def listen(self) -> None:
        """A queue hears what people are told; `messages` reads it."""
        sqs, topic = self.running.client("sqs"), self._parameter("training/text-classification/topic-arn")
        self._queue = sqs.create_queue(QueueName="people")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.running.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )

    def messages(self) -> list[str]:
        """What was said since the last time."""
        received = self.running.client("sqs").receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        return [message["Body"] for message in received.get("Messages", [])]

    def reports(self, name: str, within: float = 30) -> list[dict[str, Any]]:
        """The reports of runs of that name, once there is one that people were told of."""
        s3, bucket = self.running.client("s3"), self._parameter("data/models-bucket")
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"reports/text-classification/{name}-")
            found = [
                json.load(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"]) for each in listed.get("Contents", [])
            ]
            if any("message_id" in report for report in found):
                return found
            time.sleep(0.5)
        raise AssertionError(f"no run {name} was reported")

    def _parameter(self, path: str) -> str:
        answer = self.running.client("ssm").get_parameter(Name=f"/hf-sagemaker/dev/{path}")
        return str(answer["Parameter"]["Value"])

    def job_lines(self, job: str) -> list[str]:
        logs = self.running.client("logs")
        group = "/aws/sagemaker/TrainingJobs"
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=job)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:  # no job has logged yet
            return []
        return [
            event["message"]
            for stream in sorted(streams, key=lambda s: s["creationTime"])
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("end-to-end")
    store = os.environ.get("HFSM_IMAGE_STORE", str(ROOT / ".localcloud/images"))
    running = start_localcloud(folder / "cloud", arguments=("--image-store", store))
    environment = Environment(running, folder)
    bootstrap = environment.cdk("bootstrap", "--app", "", "aws://123456789012/us-east-1")
    assert bootstrap.returncode == 0, bootstrap.stderr
    yield environment
    running.stop()


@pytest.fixture(scope="module")
def packages() -> dict[str, str]:
    """What an earlier test registered, by name."""
    return {}


def _control(environment: Environment, path: str, method: str = "GET") -> dict[str, Any]:
    request = urllib.request.Request(f"{environment.running.endpoint_url}/_localcloud/{path}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: dict[str, Any] = json.load(answer)
        return content


def _values(lines: list[str], event: str, key: str) -> list[int]:
    return [
        int(part.partition("=")[2])
        for line in lines
        if line.startswith(f"hfsm.{event} ")
        for part in line.split()
        if part.startswith(f"{key}=")
    ]


def test_the_real_cli_deploys_every_stack_without_a_model(environment: Environment) -> None:
    done = environment.deploy()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    stacks = environment.running.client("cloudformation").describe_stacks()["Stacks"]
    deployed = {stack["StackName"]: stack["StackStatus"] for stack in stacks}
    for name in ("Network", "Data", "Images", "Training", "Inference"):
        assert deployed[f"dev-{name}"] == "CREATE_COMPLETE"


def test_both_images_are_built_and_pushed(environment: Environment) -> None:
    # Given the builds that the deployment has started, hfsm follows those that still run
    done = environment.hfsm("build", "--env", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    ecr = environment.running.client("ecr")
    for image in ("training", "inference"):
        (pushed,) = ecr.describe_images(repositoryName=f"hf-sagemaker/dev/{image}")["imageDetails"]
        assert pushed["imageDigest"].startswith("sha256:")


def test_what_is_built_is_not_built_again(environment: Environment) -> None:
    done = environment.hfsm("build", "training", "--env", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    logs = environment.running.client("logs")
    groups = [
        group["logGroupName"] for group in logs.describe_log_groups()["logGroups"] if "Build" in group["logGroupName"]
    ]
    lines = [event["message"] for group in groups for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert any("is there already: nothing to build" in line for line in lines)


def test_a_wrong_request_starts_no_job_and_says_why(environment: Environment) -> None:
    done = environment.hfsm("train", str(environment.request("wrong", max_run=60, max_wait=30)), "--env", "dev")
    assert done.returncode == 1
    assert "max_wait is 30 s, below max_run (60 s)" in " ".join((done.stdout + done.stderr).split())
    assert not environment.running.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]


def test_an_interrupted_training_goes_on_from_its_checkpoint(
    environment: Environment, packages: dict[str, str]
) -> None:
    # Given a training run on spot, and somebody who wants to be told
    environment.listen()
    request = environment.request("interrupted")
    command = [sys.executable, "-m", "hfsm", "train", str(request), "--env", "dev"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    # When its instance is taken away in the middle
    job, step = _wait_for_step(environment, process, 2 * SAVE_STEPS)
    _control(environment, f"training-jobs/{job}/interrupt", "POST")
    output, _ = process.communicate(timeout=240)
    # Then the run succeeds, from a checkpoint at most one save interval back
    assert process.returncode == 0, output
    lines = environment.job_lines(job)
    assert len(_values(lines, "start", "total_steps")) == 2, "it was not started twice"
    resumed = _values(lines, "start", "resumed_from_step")[-1]
    assert resumed > 0
    assert resumed >= step - SAVE_STEPS
    described = environment.running.client("sagemaker").describe_training_job(TrainingJobName=job)
    assert described["TrainingJobStatus"] == "Completed"
    assert described["BillableTimeInSeconds"] < described["TrainingTimeInSeconds"]
    # And the model is registered and waits for a person
    sagemaker = environment.running.client("sagemaker")
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName="dev-text-classification")[
        "ModelPackageSummaryList"
    ]
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    packages["good"] = package["ModelPackageArn"]


def test_a_run_that_succeeded_is_reported_once(environment: Environment, packages: dict[str, str]) -> None:
    # Given the run of before: its report says what it cost, saved and lost
    (report,) = environment.reports("interrupted")
    assert (report["status"], report["job_type"]) == ("SUCCEEDED", "text-classification")
    assert report["model_package_arn"] == packages["good"]
    assert (report["interruptions"], len(report["seconds_to_recover"])) == (1, 1)
    assert 0 <= report["steps_lost"] <= SAVE_STEPS
    assert 0 < report["billable_seconds"] < report["training_seconds"]
    assert report["money"]["saved"] == pytest.approx(
        report["money"]["without_spot"] - report["money"]["cost"], abs=1e-3
    )
    # And people were told so, in one message; machines get the report itself
    told = [message for message in environment.messages() if report["name"] in message]
    assert len([message for message in told if message.startswith("{")]) == 1
    # And it is counted
    cloudwatch = environment.running.client("cloudwatch")
    assert _counted(cloudwatch, "Interruptions") == 1
    assert _counted(cloudwatch, "BillableSeconds") == report["billable_seconds"]
    # And hfsm shows it
    shown = environment.hfsm("report", report["name"], "--env", "dev")
    assert shown.returncode == 0, shown.stderr
    assert "The spot instances were taken away once" in shown.stdout


def _counted(cloudwatch: Any, metric: str) -> float:
    dimensions = {"Environment": "dev", "JobType": "text-classification"}
    now = datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="HfSageMaker/Training",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def _wait_for_step(environment: Environment, process: subprocess.Popen[str], step: int) -> tuple[str, int]:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        for job in _control(environment, "status")["training_jobs"]:
            steps = _values(environment.job_lines(job["name"]), "step", "step") if job["status"] == "InProgress" else []
            if steps and steps[-1] >= step:
                return job["name"], steps[-1]
        time.sleep(0.5)
    raise AssertionError("the training did not get that far")


def test_a_script_that_raises_is_quoted_to_the_user(environment: Environment) -> None:
    # Given training code of a data scientist's own, which fails
    source = environment.folder / "source"
    source.mkdir()
    (source / "mine.py").write_text("print('reading')\nraise ValueError('the column `stars` is missing')\n")
    request = environment.request("raising", source_dir=str(source), entry_point="mine.py", use_spot_instances=True)
    # When it is trained
    done = environment.hfsm("train", str(request), "--env", "dev")
    # Then its words reach the screen, and it was not paid for twice
    assert done.returncode == 1
    assert "ValueError: the column `stars` is missing" in " ".join((done.stdout + done.stderr).split())
    jobs = environment.running.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert sum("raising" in job["TrainingJobName"] for job in jobs) == 1
    # And the report has them too, with how to go on
    (report,) = environment.reports("raising")
    assert report["status"] == "FAILED"
    assert "ValueError: the column `stars` is missing" in report["cause"]
    assert "checkpoint_s3_uri" in report["what_to_do"]


def test_a_run_that_somebody_stops_is_reported_when_its_job_has_ended(environment: Environment) -> None:
    # Given a run whose script takes its time
    source = environment.folder / "slow"
    source.mkdir()
    (source / "slow.py").write_text("import time\nprint('waiting', flush=True)\ntime.sleep(100)\n")
    request = environment.request("stopped", source_dir=str(source), entry_point="slow.py")
    started = environment.hfsm("train", str(request), "--env", "dev", "--no-wait")
    assert started.returncode == 0, started.stderr
    execution = started.stdout.split("--execution-arn ")[1].split()[0]
    # When it is stopped while it trains
    _wait_for_training(environment, "stopped")
    environment.running.client("stepfunctions").stop_execution(executionArn=execution)
    # Then the report waits for the job, and says what it cost all the same
    (report,) = environment.reports("stopped")
    (job,) = report["training_jobs"]
    assert (report["status"], job["status"]) == ("ABORTED", "Stopped")
    assert report["money"]["cost"] > 0
    assert "Somebody stopped the run" in report["what_to_do"]


def _wait_for_training(environment: Environment, name: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        jobs = environment.running.client("sagemaker").list_training_jobs(NameContains=name)["TrainingJobSummaries"]
        if any("waiting" in environment.job_lines(job["TrainingJobName"]) for job in jobs):
            return
        time.sleep(0.5)
    raise AssertionError(f"no job of {name} trains")


def test_a_second_deployment_brings_the_endpoint_up(environment: Environment, packages: dict[str, str]) -> None:
    environment.running.client("sagemaker").update_model_package(
        ModelPackageArn=packages["good"], ModelApprovalStatus="Approved"
    )
    done = environment.deploy(packages["good"])
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    endpoint = environment.running.client("sagemaker").describe_endpoint(EndpointName="dev-sentiment")
    assert endpoint["EndpointStatus"] == "InService"
    (target,) = environment.running.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)


def test_the_endpoint_answers(environment: Environment) -> None:
    done = environment.hfsm("predict", "sentiment", "The room was clean and the staff were kind.", "--env", "dev")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "POSITIVE" in done.stdout or "NEGATIVE" in done.stdout


def test_a_model_that_cannot_be_loaded_fails_the_deployment_and_says_so(
    environment: Environment, packages: dict[str, str]
) -> None:
    # Given a registered model whose weights are cut short
    sagemaker, s3 = environment.running.client("sagemaker"), environment.running.client("s3")
    container = sagemaker.describe_model_package(ModelPackageName=packages["good"])["InferenceSpecification"][
        "Containers"
    ][0]
    bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
    broken = _cut_short(environment.folder, s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    s3.put_object(Bucket=bucket, Key="trained/broken/model.tar.gz", Body=broken)
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="dev-text-classification",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{**container, "ModelDataUrl": f"s3://{bucket}/trained/broken/model.tar.gz"}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    # When it is deployed
    done = environment.deploy(arn)
    # Then the deployment fails with the reason, and the model from before still answers
    assert done.returncode != 0
    assert "cannot be loaded" in done.stdout + done.stderr
    assert environment.hfsm("predict", "sentiment", "Fine.", "--env", "dev").returncode == 0


def _cut_short(folder: Path, archive: bytes) -> bytes:
    model = folder / "broken"
    model.mkdir()
    (folder / "model.tar.gz").write_bytes(archive)
    shutil.unpack_archive(folder / "model.tar.gz", model)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return Path(shutil.make_archive(str(folder / "broken-model"), "gztar", model)).read_bytes()
