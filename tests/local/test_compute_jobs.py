"""The tasks of the library, each in a state machine of its own, on jobs that really run."""

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.bare_image import bare_image
from tests.local.compute_projects import ROLE, Projects, archive, log_lines, until
from tests.local.embedded_aws import Stacks
from tests.local.job_machines import JobMachines

# Trains as a child of a tuning job, and serves a model, without a line of torch.
PROGRAM = """
import http.server, json, os, pathlib, sys, time
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])

def train():
    given = json.loads((base / "input/config/hyperparameters.json").read_text())
    if given["mode"] == "fail":
        (base / "output/failure").write_text("the data make no sense")
        sys.exit(3)
    if given["mode"] == "sleep":
        time.sleep(60)
    # Children of one tuning job share a prefix: each has a folder of its own in it.
    folder = base / "checkpoints" / os.environ["TRAINING_JOB_NAME"]
    folder.mkdir(exist_ok=True)
    done = len(list(folder.glob("*.step")))
    print(f"resumed_from={done}", flush=True)
    best = float(given["rate"]) * (1.0 if json.loads(given["optimizer"]) == "good" else 0.5)
    for step in range(done, 25):
        time.sleep(0.1)
        (folder / f"{step}.step").write_text("saved")
        print(f"step={step} accuracy={best * (step + 1) / 25:.6f}", flush=True)
    (base / "model/model.txt").write_text(str(best))

class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(200, b"")
    def do_POST(self):
        line = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if os.environ["MODE"] == "sleep":
            time.sleep(60)
        word = (base / "model/word.txt").read_text()
        self.answer(400 if os.environ["MODE"] == "fail" else 200, f"{word} {line}".encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if sys.argv[1] == "train":
    train()
else:
    port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Model).serve_forever()
"""
PROCESS = """
import argparse, os, pathlib, sys, time
parser = argparse.ArgumentParser()
for name in ("--mode", "--input", "--output"):
    parser.add_argument(name)
given = parser.parse_args()
print("mode", given.mode, flush=True)
if given.mode == "fail":
    pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "output/message").write_text("row 7 has no label")
    sys.exit(4)
if given.mode == "sleep":
    time.sleep(60)
for path in pathlib.Path(given.input).iterdir():
    pathlib.Path(given.output, path.name).write_text(path.read_text().upper())
"""
DATA = "one\ntwo\nthree\n"


@dataclass
class Machines:
    """The deployed state machines."""

    running: Any
    bucket: str
    arns: dict[str, str]

    def __post_init__(self) -> None:
        self.sagemaker = self.running.client("sagemaker")
        self.states = self.running.client("stepfunctions")
        self.s3 = self.running.client("s3")

    def start(self, machine: str, name: str, mode: str) -> str:
        """The execution's ARN."""
        execution = self.states.start_execution(
            stateMachineArn=self.arns[machine], name=name, input=json.dumps({"mode": mode})
        )
        return str(execution["executionArn"])

    def run(self, machine: str, name: str, mode: str) -> dict[str, Any]:
        """Runs an execution to its end; its description."""
        return self.ended(self.start(machine, name, mode))

    def ended(self, arn: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            return described

        return until(look, lambda execution: execution["status"] != "RUNNING", seconds=90)

    def text(self, key: str) -> str:
        return str(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode())


@pytest.fixture(scope="module")
def machines(localcloud: Any) -> Iterator[Machines]:
    projects = Projects(localcloud)
    image = bare_image(localcloud, PROGRAM, "tests/bare")
    for key, body in (
        ("data/rows.txt", DATA.encode()),
        ("code/process.py", PROCESS.encode()),
        ("model/model.tar.gz", archive({"word.txt": "hello"})),
    ):
        projects.s3.put_object(Bucket=projects.bucket, Key=key, Body=body)
    model = {"Image": image, "ModelDataUrl": f"s3://{projects.bucket}/model/model.tar.gz"}
    localcloud.client("sagemaker").create_model(ModelName="word", ExecutionRoleArn=ROLE, PrimaryContainer=model)
    stacks = Stacks(localcloud)
    template = JobMachines(image=image, bucket=projects.bucket, model="word").template
    stack = stacks.create("job-machines", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("job-machines", "CREATE_FAILED")
    yield Machines(localcloud, projects.bucket, stacks.outputs("job-machines"))
    stacks.delete_all()


def job_name(execution: str, state: str, prefix: str = "") -> str:
    """How the state names its job."""
    return prefix + hashlib.md5(f"{execution}/{state}/0".encode()).hexdigest()


def test_a_training_job_runs_on_its_own(machines: Machines) -> None:
    execution = machines.run("Training", "training", "work")

    assert execution["status"] == "SUCCEEDED", execution
    job = json.loads(execution["output"])["training"]
    assert job["TrainingJobName"] == job_name(execution["executionArn"], "Train", "jobs-")
    assert job["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    assert job["FinalMetricDataList"][0]["Value"] == 0.5
    assert job["CheckpointConfig"]["S3Uri"].endswith("/checkpoints/training")


def test_a_processing_job_turns_files_into_files(machines: Machines) -> None:
    execution = machines.run("Processing", "processing", "work")

    assert execution["status"] == "SUCCEEDED", execution
    job = json.loads(execution["output"])["processing"]
    assert job["ProcessingJobStatus"] == "Completed"
    assert machines.text("upper/processing/rows.txt") == DATA.upper()

    # And its log is where AWS keeps it, and it is listed
    events = machines.running.client("logs").filter_log_events(logGroupName="/aws/sagemaker/ProcessingJobs")["events"]
    assert "mode work" in [event["message"] for event in events]
    listed = machines.sagemaker.list_processing_jobs(StatusEquals="Completed")["ProcessingJobSummaries"]
    assert job["ProcessingJobName"] in [summary["ProcessingJobName"] for summary in listed]


def test_a_tuning_job_finds_its_best_child(machines: Machines) -> None:
    # Given a tuning job whose first child loses its instance on the way
    execution = machines.start("Tuning", "tuning", "work")
    name = job_name(execution, "Tune")
    first = until(lambda: children(machines, name), lambda found: found)[0]["TrainingJobName"]
    logs, group = machines.running.client("logs"), "/aws/sagemaker/TrainingJobs"
    until(lambda: training(machines, first), lambda job: job["SecondaryStatus"] == "Training")
    until(lambda: log_lines(logs, group, f"{first}/"), lambda lines: any("step=1 " in line for line in lines))
    url = f"{machines.running.endpoint_url}/_localcloud/training-jobs/{first}/interrupt"
    urllib.request.urlopen(urllib.request.Request(url, method="POST")).close()

    # When it has ended
    ended = machines.ended(execution)
    assert ended["status"] == "SUCCEEDED", ended
    tuning = json.loads(ended["output"])["tuning"]

    # Then four children have run, two at a time at most, each with what its values are worth
    found = children(machines, name)
    assert len(found) == 4
    assert tuning["TrainingJobStatusCounters"]["Completed"] == 4
    values = {child["TrainingJobName"]: objective(child) for child in found}
    for child in found:
        tuned = child["TunedHyperParameters"]
        worth = float(tuned["rate"]) * (1.0 if tuned["optimizer"] == '"good"' else 0.5)
        assert values[child["TrainingJobName"]] == pytest.approx(worth, abs=1e-5)

    # And the best of them is named
    best = tuning["BestTrainingJob"]
    assert values[best["TrainingJobName"]] == max(values.values())
    described = training(machines, best["TrainingJobName"])
    assert described["TuningJobArn"] == tuning["HyperParameterTuningJobArn"]
    assert described["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")

    # And the interrupted one went on from its own checkpoints
    interrupted = training(machines, first)
    assert "Interrupted" in [transition["Status"] for transition in interrupted["SecondaryStatusTransitions"]]
    resumed = [line for line in log_lines(logs, group, f"{first}/") if line.startswith("resumed_from=")]
    assert resumed[0] == "resumed_from=0"
    assert int(resumed[1].partition("=")[2]) >= 1


def training(machines: Machines, name: str) -> dict[str, Any]:
    described: dict[str, Any] = machines.sagemaker.describe_training_job(TrainingJobName=name)
    return described


def children(machines: Machines, name: str) -> list[dict[str, Any]]:
    try:
        answer = machines.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    except ClientError:
        return []
    found: list[dict[str, Any]] = answer["TrainingJobSummaries"]
    return found


def objective(child: dict[str, Any]) -> float:
    return float(child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def test_a_transform_job_answers_line_by_line(machines: Machines) -> None:
    execution = machines.run("Transform", "transform", "work")

    assert execution["status"] == "SUCCEEDED", execution
    assert machines.text("answers/transform/rows.txt.out") == "hello one\nhello two\nhello three\n"
    job = json.loads(execution["output"])["transform"]
    listed = machines.sagemaker.list_transform_jobs(StatusEquals="Completed")["TransformJobSummaries"]
    assert job["TransformJobName"] in [summary["TransformJobName"] for summary in listed]


@pytest.mark.parametrize(
    ("machine", "member", "reason"),
    [
        ("Training", "FailureReason", "AlgorithmError: the data make no sense, exit code: 3"),
        ("Processing", "ExitMessage", "row 7 has no label"),
        ("Processing", "FailureReason", "AlgorithmError: See job logs for more information, exit code: 4"),
        ("Tuning", "FailureReason", "No training job succeeded after 4 attempts"),
        ("Transform", "FailureReason", "ClientError: rows.txt: Bad HTTP status received from algorithm: 400"),
    ],
)
def test_a_failed_job_says_why(
    machines: Machines, failed: dict[str, dict[str, Any]], machine: str, member: str, reason: str
) -> None:
    execution = failed[machine]
    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    assert reason in json.loads(execution["cause"])[member]


@pytest.fixture(scope="module")
def failed(machines: Machines) -> dict[str, dict[str, Any]]:
    """One execution of each machine, at the same time."""
    arns = {machine: machines.start(machine, "failed", "fail") for machine in machines.arns}
    return {machine: machines.ended(arn) for machine, arn in arns.items()}


def test_stopping_an_execution_stops_its_job(machines: Machines) -> None:
    # Given an execution of each machine whose job is in the middle of its work
    arns = {machine: machines.start(machine, "stopped", "sleep") for machine in machines.arns}
    describe = {
        "Training": lambda name: machines.sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"],
        "Processing": lambda name: machines.sagemaker.describe_processing_job(ProcessingJobName=name)[
            "ProcessingJobStatus"
        ],
        "Transform": lambda name: machines.sagemaker.describe_transform_job(TransformJobName=name)[
            "TransformJobStatus"
        ],
        "Tuning": lambda name: machines.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
            "HyperParameterTuningJobStatus"
        ],
    }
    names = {
        machine: job_name(arns[machine], state, "" if machine == "Tuning" else "jobs-")
        for machine, state in (
            ("Training", "Train"),
            ("Processing", "Process"),
            ("Transform", "Answer"),
            ("Tuning", "Tune"),
        )
    }
    for machine, name in names.items():
        until(lambda m=machine, n=name: status(describe[m], n), lambda seen: seen == "InProgress")  # type: ignore[misc]
    until(lambda: [child["TrainingJobStatus"] for child in children(machines, names["Tuning"])], len)

    # When all are stopped
    for arn in arns.values():
        machines.states.stop_execution(executionArn=arn)

    # Then so are their jobs, and a tuning job's children
    for machine, name in names.items():
        until(
            lambda m=machine, n=name: status(describe[m], n),  # type: ignore[misc]
            lambda seen: seen == "Stopped",
            seconds=30,
        )
    assert {child["TrainingJobStatus"] for child in children(machines, names["Tuning"])} == {"Stopped"}


def status(describe: Any, name: str) -> str:
    try:
        return str(describe(name))
    except ClientError:
        return ""
