"""The fault table of training: each fault in a real execution, survived or ended with its name, and reported.

All executions run at the same time, since most of them wait most of the time. `build/faults/training.json` has what
was seen, as it was in this run.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from report_training.logic import steps_lost
from tests.local import fault_report
from tests.local.bare_image import bare_image
from tests.local.compute_projects import Projects, archive, until
from tests.local.control import control
from tests.local.embedded_aws import Stacks
from tests.local.fault_report import Seen
from tests.local.reported_machine import ReportedMachine
from tests.local.training_faults import (
    DRIVEN,
    PARAMETERS,
    S3_BUSY,
    SAVE_STEPS,
    SCRIPT_RAISES,
    STEPS,
    STOPPED,
    TOPIC_GONE,
    TRAINING,
    UNINTERRUPTED,
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
        said = [_values(line) for line in self.lines if line.startswith("hfsm.step ")]
        return {each["step"]: each["loss"] for each in said}

    @property
    def result(self) -> dict[str, str]:
        (line,) = [line for line in self.lines if line.startswith("hfsm.result ")]
        return _values(line)

    @property
    def said(self) -> str:
        """How it ended, in a line of the report."""
        end = f"fails as {self.error}" if self.error else str(self.execution["status"]).lower()
        jobs = ", ".join(f"{_kind(name)}: {status}" for name, status in self.jobs.items()) or "none"
        steps = "" if self.steps_lost is None else f"; {self.steps_lost} steps lost"
        return f"{end}; jobs {jobs}{steps}{self.more.get('said', '')}"


def _values(line: str) -> dict[str, str]:
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


def _deploy(localcloud: Any, stacks: Stacks) -> Faults:
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
    stack = stacks.create("fault-machine", machine.upload(projects.s3))
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


@pytest.fixture(scope="module")
def faults(localcloud: Any) -> Iterator[Faults]:
    """All of them, injected and over."""
    stacks = Stacks(localcloud)
    try:
        deployed = _deploy(localcloud, stacks)
        _inject(deployed)
        yield deployed
    finally:
        _delete_faults(localcloud)
        stacks.delete_all()


def _delete_faults(running: Any) -> None:
    control(running, "faults", method="DELETE")


def _inject(deployed: Faults) -> None:
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


@pytest.fixture(scope="module")
def written(faults: Faults) -> dict[str, dict[str, object]]:
    """The report, as it lies in its file."""
    rows = {row.fault: row.expected for row in (*TRAINING[1:], *WORKFLOW)}
    rows |= {
        SCRIPT_RAISES: "fails as TrainingJobFailed, and succeeds in the end",
        STOPPED: "its job is stopped, and succeeds in the end",
        TOPIC_GONE: "succeeds, with a report and a dead letter",
        S3_BUSY: "succeeds, with a report",
    }
    fault_report.write(
        [
            Seen(fault=fault, expected=expected, seen=seen.said, steps_lost=seen.steps_lost, seconds=seen.seconds)
            for fault, expected in rows.items()
            if (seen := faults.outcomes[fault])
        ]
    )
    return fault_report.faults()


@pytest.mark.parametrize("row", [*TRAINING, *WORKFLOW], ids=lambda row: row.fault)
def test_each_fault_ends_as_specified(faults: Faults, row: Row) -> None:
    # Given a fault that was injected into an execution
    seen = faults.outcomes[row.fault]
    # Then the execution ended so, in these words
    assert (seen.execution["status"], seen.error) == ("FAILED" if row.error else "SUCCEEDED", row.error), seen.cause
    assert row.words in seen.cause
    # And on the way that was specified, with no job more
    assert list(dict.fromkeys(state for state in seen.entered if state in row.entered)) == list(row.entered)
    assert tuple(seen.jobs.values()) == row.jobs


def test_every_fault_that_was_ordered_has_happened(faults: Faults) -> None:
    assert control(faults.workflow.running, "faults", method="GET")["faults"] == []


@pytest.mark.parametrize("row", TRAINING[1:], ids=lambda row: row.fault)
def test_an_interruption_costs_few_steps_and_changes_no_loss(faults: Faults, row: Row) -> None:
    # Given a run that was interrupted, and one that was not, of the same seed
    seen, whole = faults.outcomes[row.fault], faults.outcomes["none"]
    # Then it was started again, from a checkpoint
    starts = [int(_values(line)["resumed_from_step"]) for line in seen.lines if line.startswith("hfsm.start ")]
    assert len(starts) == len(row.orders) + 1
    assert all(start > 0 for start in starts[1:])
    # And lost no more than this, and nothing where SIGTERM reached the script and all was uploaded
    assert row.most_steps_lost is not None
    assert seen.steps_lost is not None
    assert seen.steps_lost <= row.most_steps_lost <= SAVE_STEPS
    # And learned the same, to four decimals
    assert len(whole.losses) == STEPS
    assert seen.losses == whole.losses
    assert seen.result == whole.result
    print(f"{row.fault}: eval_loss {seen.result['eval_loss']}, uninterrupted {whole.result['eval_loss']}")


@pytest.mark.parametrize("fault", [row.fault for row in TRAINING if row.most_steps_lost])
def test_a_checkpoint_that_is_not_whole_is_skipped_with_a_warning(faults: Faults, fault: str) -> None:
    warnings = [line for line in faults.outcomes[fault].lines if line.startswith("WARNING: skipping checkpoint-")]
    assert len(warnings) == 1, warnings


def test_a_script_that_raised_goes_on_from_its_checkpoint_when_it_is_redriven(faults: Faults) -> None:
    seen, workflow = faults.outcomes[SCRIPT_RAISES], faults.workflow
    raised, killed, ended = seen.more["ends"]
    # Given a run whose script fails, then its own words are in its cause
    assert (raised["status"], raised["error"]) == ("FAILED", "TrainingJobFailed")
    assert "ValueError: the column is missing" in raised["cause"]
    # And when it fails again after a redrive, its words are new
    assert (killed["status"], killed["error"]) == ("FAILED", "TrainingOutOfMemory")
    # When the cause is gone, then it succeeds, with a job of another name and the same checkpoints
    assert (ended["status"], ended["redriveCount"]) == ("SUCCEEDED", 2), ended
    name = workflow.job("fault-mended")["spot_job_name"]
    assert seen.jobs == {f"{name}-0": "Failed", f"{name}-1": "Failed", f"{name}-2": "Completed"}
    assert [workflow.resumed(f"{name}-{i}") for i in range(3)] == [False, True, True]
    # And it went on behind the validation
    assert seen.more["again"][:2] == ["Failed", "WhereToGoOn"]
    assert "Validate" not in seen.more["again"]


def test_stopping_an_execution_stops_its_job_and_a_redrive_trains_on(faults: Faults) -> None:
    seen, workflow = faults.outcomes[STOPPED], faults.workflow
    name = workflow.job("fault-stopped")["spot_job_name"]
    assert seen.more["first"]["status"] == "ABORTED"
    assert seen.more["over"] == {f"{name}-0": "Stopped"}
    assert seen.execution["status"] == "SUCCEEDED", seen.cause
    assert seen.jobs == {f"{name}-0": "Stopped", f"{name}-1": "Completed"}
    assert workflow.resumed(f"{name}-1")


def test_a_run_whose_topic_is_gone_is_reported_and_its_letter_is_kept(faults: Faults) -> None:
    seen = faults.outcomes[TOPIC_GONE]
    # Given that the topic is really gone
    with pytest.raises(ClientError, match="does not exist"):
        faults.workflow.running.client("sns").get_topic_attributes(TopicArn=faults.outputs["TopicArn"])
    # Then the run is as good as any, and its report lies there, though nobody was told
    assert seen.execution["status"] == "SUCCEEDED"
    assert seen.more["report"]["status"] == "SUCCEEDED"
    assert "message_id" not in seen.more["report"]
    # And the letter names the run, for whoever reports it when there is a topic again
    (letter,) = seen.more["letters"]
    assert json.loads(letter)["execution"] == faults.workflow.execution("fault-untold")


def test_a_report_survives_an_s3_that_is_busy(faults: Faults) -> None:
    seen = faults.outcomes[S3_BUSY]
    assert seen.execution["status"] == "SUCCEEDED"
    assert seen.more["report"]["message_id"]


@pytest.mark.parametrize("run", ["fault-registered", "fault-registry-is-full", "fault-lost-answer"])
def test_no_model_is_registered_twice(faults: Faults, run: str) -> None:
    sagemaker = faults.workflow.sagemaker
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=GROUP)
    found = [package["ModelPackageArn"] for page in pages for package in page["ModelPackageSummaryList"]]
    described = [sagemaker.describe_model_package(ModelPackageName=arn) for arn in found]
    assert sum(f"dev-{run}-" in package["ModelPackageDescription"] for package in described) == 1


@pytest.mark.parametrize("fault", [*(row.fault for row in (*TRAINING[1:], *WORKFLOW)), *DRIVEN])
def test_the_report_has_each_fault(written: dict[str, dict[str, object]], fault: str) -> None:
    line = written[fault]
    assert line["expected"]
    assert line["seen"]
    assert float(str(line["seconds"])) > 0


def test_steps_are_counted_where_there_are_any(written: dict[str, dict[str, object]]) -> None:
    trained = {row.fault for row in TRAINING[1:]}
    assert {fault for fault, line in written.items() if line["steps_lost"] is not None} == trained


def test_a_new_run_does_not_begin_in_an_older_ones_place(faults: Faults) -> None:
    """Each has its checkpoints under its own lineage: nothing was resumed by a run that was not interrupted."""
    starts = [line for line in faults.outcomes["none"].lines if line.startswith("hfsm.start ")]
    assert [_values(line)["resumed_from_step"] for line in starts] == ["0"]
    assert UNINTERRUPTED in "".join(faults.outcomes["none"].jobs)
