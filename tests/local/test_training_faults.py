"""The fault table of training: each fault in a real execution, survived or ended with its name, and reported.

All executions run at the same time, since most of them wait most of the time. `build/faults/training.json` has what
was seen, as it was in this run.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local import fault_report
from tests.local.control import control
from tests.local.embedded_aws import Stacks
from tests.local.fault_report import Seen
from tests.local.fault_runs import GROUP, Faults, deploy, inject, values
from tests.local.training_faults import (
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

EXPECTED = {row.fault: row.expected for row in (*TRAINING[1:], *WORKFLOW)} | {
    SCRIPT_RAISES: "fails as TrainingJobFailed, and succeeds in the end",
    STOPPED: "its job is stopped, and succeeds in the end",
    TOPIC_GONE: "succeeds, with a report and a dead letter",
    S3_BUSY: "succeeds, with a report",
}
# What was promised: to be survived, or to end with a name. Whoever takes a row away takes it from here, too.
PROMISED = (
    "spot interruption, once",
    "spot interruption, three times",
    "spot interruption during a save",
    "spot interruption during the upload of a checkpoint",
    "no spot capacity",
    "waited longer than max_wait for spot",
    "CreateTrainingJob is throttled three times",
    "CreateTrainingJob has made the job and times out",
    "the quota is used up",
    "the script raises, and the execution is redriven when it is mended",
    "the script hangs",
    "the script is killed because memory ran out",
    "the newest checkpoint is truncated",
    "the image is not there",
    "a channel has no data",
    "Lambda fails",
    "a function does not answer in time",
    "the notification topic is gone",
    "StopExecution, and then a redrive",
)


@pytest.fixture(scope="module")
def faults(localcloud: Any) -> Iterator[Faults]:
    """All of them, injected and over, and the report written."""
    stacks = Stacks(localcloud)
    try:
        deployed = deploy(localcloud, stacks)
        inject(deployed)
        seen = deployed.outcomes
        fault_report.write(
            [
                Seen(
                    fault=fault,
                    expected=expected,
                    seen=seen[fault].said,
                    steps_lost=seen[fault].steps_lost,
                    seconds=seen[fault].seconds,
                )
                for fault, expected in EXPECTED.items()
            ]
        )
        yield deployed
    finally:
        control(localcloud, "faults", method="DELETE")
        stacks.delete_all()


@pytest.fixture(scope="module")
def written(faults: Faults) -> dict[str, dict[str, object]]:
    """The report, as it lies in its file."""
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
    starts = [int(values(line)["resumed_from_step"]) for line in seen.lines if line.startswith("hfsm.start ")]
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


@pytest.mark.parametrize("fault", sorted({*EXPECTED, *PROMISED}))
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
    assert [values(line)["resumed_from_step"] for line in starts] == ["0"]
    assert UNINTERRUPTED in "".join(faults.outcomes["none"].jobs)
