"""Training jobs run the real toolkit, and live and die as SageMaker's do. Their faults: test_training_faults."""

import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker import training_request
from localcloud.sagemaker.checkpoints import CheckpointSync
from localcloud.sagemaker.metrics import LogMetrics
from localcloud.sagemaker.training import TrainingJob
from localcloud.settings import LocalCloud
from tests.local.compute_projects import ROLE, Projects, descendants, log_lines, until

# Counts steps, saves every fifth, goes on where it stopped.
SCRIPT = """
import argparse, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--failure", default="")
arguments = parser.parse_args()
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
if arguments.failure:
    (base / "output/failure").write_text(arguments.failure)
    sys.exit(3)
step = max((int(path.stem) for path in (base / "checkpoints").glob("*.step")), default=0)
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "train.jsonl").read_text().count("\\n")
print(f"resumed_from_step={step} rows={rows} job={os.environ['TRAINING_JOB_NAME']}", flush=True)
while step < arguments.steps:
    step += 1
    time.sleep(0.1)
    print(f"step={step} loss={1 / step:.4f}", flush=True)
    if step % 5 == 0:
        (base / "checkpoints" / f"{step}.step").write_text("saved")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
"""
DOCKERFILE = """
ARG BASE_IMAGE
FROM $BASE_IMAGE
COPY code/ /opt/code/
"""


@dataclass
class Jobs:
    """Starts jobs on the running embedded AWS."""

    running: Any
    image: str
    bucket: str

    def __post_init__(self) -> None:
        self.sagemaker = self.running.client("sagemaker")
        self.s3 = self.running.client("s3")
        self.logs = self.running.client("logs")

    def request(self, **changes: Any) -> dict[str, Any]:
        """A spot job of a few seconds."""
        name = f"job-{uuid.uuid4().hex[:8]}"
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
            "RoleArn": ROLE,
            "HyperParameters": hyperparameters(steps="10"),
            "InputDataConfig": [channel(f"s3://{self.bucket}/data/")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/output"},
            "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120, "MaxWaitTimeInSeconds": 240},
            "EnableManagedSpotTraining": True,
            "CheckpointConfig": {"S3Uri": f"s3://{self.bucket}/checkpoints/{name}"},
        }
        return {**request, **changes}

    def start(self, **changes: Any) -> str:
        request = self.request(**changes)
        self.sagemaker.create_training_job(**{key: value for key, value in request.items() if value is not None})
        return str(request["TrainingJobName"])

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return described

    def ended(self, name: str) -> dict[str, Any]:
        """Waits for it; its description."""
        over = ("Completed", "Failed", "Stopped")
        return until(lambda: self.describe(name), lambda job: job["TrainingJobStatus"] in over, seconds=200)

    def lines(self, name: str) -> list[str]:
        return log_lines(self.logs, "/aws/sagemaker/TrainingJobs", f"{name}/")

    def wait_for_line(self, name: str, start: str) -> None:
        until(lambda: self.describe(name), lambda job: job["SecondaryStatus"] == "Training")
        until(lambda: self.lines(name), lambda lines: any(line.startswith(start) for line in lines))

    def interrupt(self, name: str) -> int:
        url = f"{self.running.endpoint_url}/_localcloud/training-jobs/{name}/interrupt"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
            return int(answer.status)


def channel(uri: str, name: str = "train") -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def hyperparameters(**values: str) -> dict[str, str]:
    """With the code that the image carries, as JSON text, the way the SageMaker SDK sends them."""
    program = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"/opt/code"'}
    return {**program, **values}


@pytest.fixture(scope="module")
def jobs(localcloud: Any) -> Jobs:
    projects = Projects(localcloud)
    image = projects.image({"Dockerfile": DOCKERFILE, "code/train.py": SCRIPT}, "training")
    projects.s3.put_object(Bucket=projects.bucket, Key="data/train.jsonl", Body=b'{"text": "a"}\n{"text": "b"}\n')
    return Jobs(localcloud, image, projects.bucket)


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(jobs: Jobs) -> None:
    # Given a spot job that has saved checkpoints
    name = jobs.start(HyperParameters=hyperparameters(steps="40"))
    jobs.wait_for_line(name, "step=12 ")

    # When its instance is taken away
    assert jobs.interrupt(name) == 202
    job = jobs.ended(name)

    # Then the second one begins at a step that the first had saved
    assert job["TrainingJobStatus"] == "Completed", job
    begun = [line for line in jobs.lines(name) if line.startswith("resumed_from_step=")]
    assert begun[0] == f"resumed_from_step=0 rows=2 job={name}"
    assert len(begun) == 2
    resumed = int(begun[1].split()[0].partition("=")[2])
    assert resumed >= 10
    assert resumed % 5 == 0

    # And the job's record tells the story
    statuses = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    once = ["Starting", "Downloading", "Training"]
    assert statuses == [*once, "Interrupted", *once, "Uploading", "Completed"]
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    assert {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]} == {"loss": 0.025}
    key = job["ModelArtifacts"]["S3ModelArtifacts"].partition(f"{jobs.bucket}/")[2]
    assert jobs.s3.head_object(Bucket=jobs.bucket, Key=key)["ContentLength"] > 0
    assert key == f"output/{name}/output/model.tar.gz"


def test_a_failing_script_gives_the_job_its_words(jobs: Jobs) -> None:
    # Given a script that says what is wrong and ends
    words = "train.jsonl, line 7: the label is missing"
    name = jobs.start(HyperParameters=hyperparameters(failure=f'"{words}"'))

    # When the job has ended
    job = jobs.ended(name)

    # Then its reason has them, and nothing was billed as a model
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == f"AlgorithmError: {words}, exit code: 1"
    assert "ModelArtifacts" not in job


def test_a_job_can_be_stopped_and_leaves_no_process(jobs: Jobs) -> None:
    # Given a running job
    name = jobs.start(HyperParameters=hyperparameters(steps="1000"))
    jobs.wait_for_line(name, "step=1 ")

    # When it is stopped
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    job = jobs.ended(name)

    # Then it is Stopped, its processes are gone, and so is its folder
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    server = psutil.Process(jobs.running.process.pid)
    until(lambda: descendants(server), lambda found: not found, seconds=20)
    folders = jobs.running.state_dir / "containers"
    until(lambda: list(folders.iterdir()), lambda left: not left, seconds=20)


def test_on_demand_is_billed_in_full_and_cannot_be_interrupted(jobs: Jobs) -> None:
    # Given a job without spot
    name = jobs.start(EnableManagedSpotTraining=False, StoppingCondition={"MaxRuntimeInSeconds": 120})
    jobs.wait_for_line(name, "step=1 ")

    # When someone tries to take its instance
    with pytest.raises(urllib.error.HTTPError) as refused:
        jobs.interrupt(name)

    # Then it is refused, and the job is billed for all of its time
    assert refused.value.code == 409
    job = jobs.ended(name)
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] > 0


def test_a_name_is_used_once(jobs: Jobs) -> None:
    name = jobs.start()
    with pytest.raises(ClientError, match="a training job with this name already exists") as error:
        jobs.start(TrainingJobName=name)
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    jobs.ended(name)


def local_request(**changes: Any) -> dict[str, Any]:
    """A request that is right, and as small as it can be."""
    return {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }


def test_the_smallest_request_is_accepted() -> None:
    training_request.check(local_request())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"EnableManagedSpotTraining": True},
            r"Invalid MaxWaitTimeInSeconds \(None\). It must be present and be greater than or equal to",
        ),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            },
            r"Invalid MaxWaitTimeInSeconds \(59\)",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}},
            "needs EnableManagedSpotTraining",
        ),
        ({"TrainingJobName": "under_score"}, "'under_score' at 'trainingJobName'"),
        ({"HyperParameters": {"long": "x" * 2501}}, "hyperparameter 'long' has 2501 characters"),
        ({"InputDataConfig": [channel("s3://a/b"), channel("s3://a/c")]}, "channel 'train' is given twice"),
        ({"RoleArn": None}, "Invalid type for parameter RoleArn"),
    ],
)
def test_wrong_requests_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        training_request.check(local_request(**changes))


def test_metrics_are_the_last_values_that_the_log_names() -> None:
    # Given two definitions, and lines with values, without, and with one that is no number
    metrics = LogMetrics([{"Name": "loss", "Regex": r"loss=(\S+)"}, {"Name": "accuracy", "Regex": r"acc=([0-9.]+)"}])

    # When they are read
    found = [metrics.find(line) for line in ("loss=2.5", "nothing", "loss=1.5 acc=0.75", "loss=oops")]

    # Then each line gives its own, and the last of each is final
    assert found == [{"loss": 2.5}, {}, {"loss": 1.5, "accuracy": 0.75}, {}]
    assert {metric["MetricName"]: metric["Value"] for metric in metrics.final} == {"loss": 1.5, "accuracy": 0.75}


def test_a_checkpoint_goes_to_s3_once_it_has_stopped_changing(jobs: Jobs, tmp_path: Path) -> None:
    # Given a folder that is watched, and a file that is being written
    sync = CheckpointSync(jobs.s3, tmp_path, f"s3://{jobs.bucket}/synced/job")
    path = tmp_path / "checkpoint-5/weights.bin"
    path.parent.mkdir()
    path.write_text("half")
    assert sync.look() == []

    # When it has grown, and then stayed
    path.write_text("half and half")
    assert sync.look() == []
    assert sync.look() == [Path("checkpoint-5/weights.bin")]

    # Then S3 has it whole, and it is not sent again
    assert sync.look() == []
    key = "synced/job/checkpoint-5/weights.bin"
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key=key)["Body"].read() == b"half and half"


def test_a_checkpoint_that_the_script_removes_stays_in_s3(jobs: Jobs, tmp_path: Path) -> None:
    # Given a checkpoint that was copied, and one that was there before the job began
    (tmp_path / "old.bin").write_text("from S3")
    sync = CheckpointSync(jobs.s3, tmp_path, f"s3://{jobs.bucket}/kept")
    (tmp_path / "new.bin").write_text("new")
    sync.start()
    sync.finish()

    # When the script removes it
    (tmp_path / "new.bin").unlink()
    sync.look(everything=True)

    # Then it is still in S3, and what came from there was not sent back
    listed = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="kept/")["Contents"]
    assert [entry["Key"] for entry in listed] == ["kept/new.bin"]


@pytest.mark.parametrize(("spot", "trained", "billed"), [(True, 874.0, 263), (False, 874.0, 874), (True, 0.0, 0)])
def test_spot_is_billed_at_the_assumed_share(tmp_path: Path, spot: bool, trained: float, billed: int) -> None:
    # Given a job that has trained so long
    cloud = LocalCloud(port=1, state_dir=tmp_path, image_store=tmp_path, requirements_dir=tmp_path)
    compute = type("ComputeWithPrices", (), {"cloud": cloud})()
    job = TrainingJob(compute, local_request(EnableManagedSpotTraining=spot), "123456789012", "us-east-1", "arn")
    job._trained = trained

    # Then it costs the share that the cloud was started with, whole seconds, rounded up
    assert job.billable_seconds() == billed
