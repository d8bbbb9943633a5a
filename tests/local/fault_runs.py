"""Executions into which faults are injected: deployed, started, followed to their end."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from report_training.logic import steps_lost
from tests.local.bare_image import bare_image
from tests.local.compute_projects import Projects, archive, until
from tests.local.control import control
from tests.local.embedded_aws import Stacks
from tests.local.reported_machine import ReportedMachine
from tests.local.training_faults import (
    PARAMETERS,
    S3_BUSY,
    SCRIPT_RAISES,
    STOPPED,
    TOPIC_GONE,
    TRAINING,
    WORKFLOW,
    Row,
)
from tests.local.training_workflow import Workflow
from tests.local.workflow_machine import PARAMETER, PROGRAM, functions

RUNTIME = Path(__file__).parents[2] / "constructs/hf_sagemaker/runtime"
GROUP = "tests-faults"
LONGEST = 240.0  # seconds until the last execution has ended, on a machine that does other things, too
METRICS = [
    {"Name": "eval_accuracy", "Regex": "eval_accuracy=([0-9.]+)"},
    {"Name": "eval_loss", "Regex": "eval_loss=([0-9.]+)"},
]


@dataclass
class Outcome:
    """What an execution said when it had ended.

    lines: of all its jobs' logs. seconds: from its start to its last end. more: what else was seen on the way; `said`
    goes into the report.
    """

    execution: dict[str, Any]
    entered: list[str]
    jobs: dict[str, str]
    seconds: float
    lines: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> str:
        return str(self.execution.get("error") or "")

    @property
    def cause(self) -> str:
        return str(self.execution.get("cause") or "")

    @property
    def steps_lost(self) -> int | None:
        return steps_lost(self.lines)

    @property
    def losses(self) -> dict[str, str]:
        """Step → its loss, as it was said last."""
        said = [values(line) for line in self.lines if line.startswith("hfsm.step ")]
        return {each["step"]: each["loss"] for each in said}

    @property
    def result(self) -> dict[str, str]:
        (line,) = [line for line in self.lines if line.startswith("hfsm.result ")]
        return values(line)

    @property
    def said(self) -> str:
        """How it ended, in a line of the report."""
        end = f"fails as {self.error}" if self.error else str(self.execution["status"]).lower()
        jobs = ", ".join(f"{_kind(name)}: {status}" for name, status in self.jobs.items()) or "none"
        steps = "" if self.steps_lost is None else f"; {self.steps_lost} steps lost"
        return f"{end}; jobs {jobs}{steps}{self.more.get('said', '')}"


def values(line: str) -> dict[str, str]:
    """Of a line of the training code."""
    return dict(word.split("=", 1) for word in line.split()[1:])


def _kind(job: str) -> str:
    return "-".join(job.rsplit("-", 2)[1:])


@dataclass
class Faults:
    """The deployed workflow, with what reports its runs."""

    workflow: Workflow
    outputs: dict[str, str]
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def order(self, row: Row) -> None:
        texts = {"{jobs}": f"dev-{row.run}-", "{execution}": f":{row.run}"}
        for order in row.orders:
            text = json.dumps(order)
            for name, value in texts.items():
                text = text.replace(name, value)
            control(self.workflow.running, "faults", json.loads(text))

    def start(self, row: Row) -> str:
        self.order(row)
        bucket = self.workflow.bucket
        changes = json.loads(json.dumps(row.changes).replace("{bucket}", bucket))
        if row.script:
            key = f"source/{row.run}/sourcedir.tar.gz"
            self.workflow.s3.put_object(Bucket=bucket, Key=key, Body=archive({"script.py": row.script}))
            changes |= {"image": "text", "source_dir": f"s3://{bucket}/{key}", "entry_point": "script.py"}
        if row.trains:
            changes |= {
                "image": "text",
                "channels": {name: f"s3://{bucket}/text/{name}/" for name in ("train", "test")},
                "hyperparameters": PARAMETERS,
                "metric_definitions": METRICS,
                "evaluation": {"metric": "eval_accuracy", "minimum": 0.0},
                "max_run": 300,
                "max_wait": 300,
            }
        return self.workflow.start(row.run, row.mode, **changes)

    def ended(self, execution: str) -> dict[str, Any]:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            described: dict[str, Any] = self.workflow.states.describe_execution(executionArn=execution)
            if described["status"] != "RUNNING":
                return described
            time.sleep(0.5)
        raise AssertionError(f"{execution} still runs, in {self.workflow.entered(execution)[-1]}")

    def outcome(self, execution: str, began: float, **more: Any) -> Outcome:
        """Of an execution that ends by itself."""
        described = self.ended(execution)
        name = execution.rpartition(":")[2]
        jobs = dict(sorted(self.workflow.jobs(name).items(), key=lambda job: "-demand-" in job[0]))
        lines = [line for job in jobs for line in self.workflow.log(job)]
        seconds = round(time.monotonic() - began, 1)
        return Outcome(described, self.workflow.entered(execution), jobs, seconds, lines, more)

    def run(self, row: Row) -> Outcome:
        began = time.monotonic()
        return self.outcome(self.start(row), began)

    # What takes more than that

    def mended(self) -> Outcome:
        """The script raises, is killed after a redrive, and works after the next."""
        began, workflow, name = time.monotonic(), self.workflow, "fault-mended"
        execution = workflow.start(name, "fail")
        ends = [self.ended(execution)]
        for mode in ("memory", "work"):
            workflow.does(name, mode)
            before = len(workflow.entered(execution))
            workflow.states.redrive_execution(executionArn=execution)
            ends.append(self.ended(execution))
        said = "; first " + " and ".join(end["error"] for end in ends[:-1]) + ", redriven twice"
        again = workflow.entered(execution)[before:]
        return self.outcome(execution, began, ends=ends, again=again, said=said)

    def stopped(self) -> Outcome:
        """Stopped in the middle of its training, and redriven."""
        began, workflow, name = time.monotonic(), self.workflow, "fault-stopped"
        execution = workflow.start(name, "sleep")
        until(lambda: any(workflow.log(job) for job in workflow.jobs(name)), bool, seconds=LONGEST)
        workflow.states.stop_execution(executionArn=execution)
        ended = self.ended(execution)
        over = until(lambda: workflow.jobs(name), lambda jobs: "InProgress" not in jobs.values(), seconds=60)
        until(lambda: workflow.jobs(name), lambda jobs: "Stopping" not in jobs.values(), seconds=60)
        over = workflow.jobs(name)
        workflow.does(name, "work")
        workflow.states.redrive_execution(executionArn=execution)
        said = f"; first {ended['status'].lower()}, its job {', '.join(over.values())}, then redriven"
        return self.outcome(execution, began, first=ended, over=over, said=said)

    def reported(self) -> tuple[Outcome, Outcome]:
        """A run whose report meets S3's 503, and one whose topic is gone. Only these two are reported."""
        workflow = self.workflow
        events, sns = workflow.running.client("events"), workflow.running.client("sns")
        began = time.monotonic()
        order = {"api": "s3:PutObject", "matching": "/reports/", "error": "SlowDown", "status": 503, "times": 2}
        control(workflow.running, "faults", order)
        execution = workflow.start("fault-busy", "work")
        self.ended(execution)
        busy = self.outcome(execution, began, report=self._report("fault-busy", "message_id"), said="; report written")

        began = time.monotonic()
        sns.delete_topic(TopicArn=self.outputs["TopicArn"])
        execution = workflow.start("fault-untold", "work")
        self.ended(execution)
        report = self._report("fault-untold", "text")
        letters = until(self._letters, lambda found: any("fault-untold" in letter for letter in found), seconds=60)
        events.disable_rule(Name=self.outputs["Rule"])
        said = "; report written, dead letter kept"
        return busy, self.outcome(execution, began, report=report, letters=letters, said=said)

    def _report(self, name: str, member: str) -> dict[str, Any]:
        """The run's report, once it has that member."""
        s3, bucket = self.workflow.s3, self.workflow.bucket

        def look() -> dict[str, Any]:
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"reports/text/{name}").get("Contents", [])
            read = [json.load(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"]) for each in listed]
            return next(iter(read), {})

        return until(look, lambda report: member in report, seconds=90)

    def _letters(self) -> list[str]:
        received = self.workflow.running.client("sqs").receive_message(
            QueueUrl=self.outputs["QueueUrl"], MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [message["Body"] for message in received.get("Messages", [])]


def deploy(localcloud: Any, stacks: Stacks) -> Faults:
    """The workflow with three images: the small one, the one that is shipped, and one that is not there."""
    projects = Projects(localcloud)
    small = bare_image(localcloud, PROGRAM, "tests/faults")
    text = _training_image(projects)
    images = {"training": small, "text": text, "gone": f"{small.partition('@')[0]}@sha256:{'0' * 64}"}
    for name, image in images.items():
        parameter = PARAMETER if name == "training" else f"{PARAMETER}/{name}"
        localcloud.client("ssm").put_parameter(Name=parameter, Value=image, Type="String", Overwrite=True)
    projects.s3.put_object(Bucket=projects.bucket, Key="functions.zip", Body=functions())
    for name, rows in (("train", range(200)), ("test", range(200, 240))):
        body = "".join(json.dumps({"text": _sentence(row), "label": row % 2}) + "\n" for row in rows)
        projects.s3.put_object(Bucket=projects.bucket, Key=f"text/{name}/{name}.jsonl", Body=body.encode())
    localcloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    others = {name: images[name].partition("@")[0] for name in ("text", "gone")}
    machine = ReportedMachine(repository=small.partition("@")[0], bucket=projects.bucket, images=others, group=GROUP)
    machine.publish_assets(projects.s3)
    stack = stacks.create("fault-machine", machine.template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("fault-machine", "CREATE_FAILED")
    outputs = stacks.outputs("fault-machine")
    return Faults(Workflow(localcloud, outputs["Arn"], projects.bucket, small), outputs)


def _training_image(projects: Projects) -> str:
    """The shipped one, by its digest."""
    code = [*(RUNTIME / "training").rglob("*.py"), RUNTIME / "images/training/requirements.txt"]
    files = {path.relative_to(RUNTIME).as_posix(): path.read_text() for path in code}
    files["Dockerfile"] = (RUNTIME / "images/training/Dockerfile").read_text()
    repository, _, tag = projects.image(files, "training").rpartition(":")
    (pushed,) = projects.ecr.describe_images(repositoryName=repository.partition("/")[2], imageIds=[{"imageTag": tag}])[
        "imageDetails"
    ]
    return f"{repository}@{pushed['imageDigest']}"


def _sentence(number: int) -> str:
    verdict = ("is dull", "is a joy")[number % 2]
    return f"The {('film', 'book', 'song', 'play', 'meal')[number % 5]} of day {number % 37} {verdict}."


def inject(deployed: Faults) -> None:
    """All of them, at the same time; returns when the last execution has ended."""
    with ThreadPoolExecutor(max_workers=40) as pool:
        # Those that train first: they take the longest. And those that are reported, while no other ends.
        training = {row.fault: pool.submit(deployed.run, row) for row in TRAINING}
        reported = pool.submit(deployed.reported)
        deployed.outcomes[S3_BUSY], deployed.outcomes[TOPIC_GONE] = reported.result()
        running = {row.fault: pool.submit(deployed.run, row) for row in WORKFLOW}
        running[SCRIPT_RAISES] = pool.submit(deployed.mended)
        running[STOPPED] = pool.submit(deployed.stopped)
        for fault, future in (training | running).items():
            deployed.outcomes[fault] = future.result()
