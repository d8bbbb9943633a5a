"""Steps of the demo that bring the data, train with a spot interruption, and approve the model."""

import json
import math
import time
from pathlib import Path
from typing import Any

from hfsm import dataset, execution, local
from hfsm.demo.demo_run import DemoRun
from hfsm.demo.deploy_steps import SPOT_PRICE_RATIO
from hfsm.demo.report import RegistryReport, TrainingReport
from hfsm.demo.steps import StepLog
from hfsm.errors import OperatorError
from hfsm.execution import Execution, Look
from hfsm.progress import seconds_text
from hfsm.request import read_request
from hfsm.train import savings_percent
from hfsm.training_log import TrainingProgress
from hfsm.upload import upload

# More often would take time from the training, which has the same processors.
POLL_SECONDS = 1.0
REQUEST = Path(__file__).parent / "request.json"
# Enough steps that the interruption finds the training in its middle, however little data there is.
FEWEST_STEPS = 300
FEWEST_EPOCHS = 3


def upload_data(run: DemoRun, log: StepLog) -> str:
    """Write the training request with the folders of this machine, and upload what they hold."""
    request = json.loads(REQUEST.read_text(encoding="utf-8"))
    request["channels"] = {"train": str(run.data / "train.jsonl"), "test": str(run.data / "test.jsonl")}
    rows = dataset.read(run.data / "train.jsonl").rows
    request["hyperparameters"]["epochs"] = epochs(rows, request["hyperparameters"]["train_batch_size"])
    if run.model is not None:
        request["channels"]["model"] = str(run.model)
    path = run.paths.build / "request.json"
    path.write_text(json.dumps(request, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    run.request = upload(read_request(path), run.parameters, log.line)
    return f"{rows} sentences to train on; the request: {path}"


def epochs(rows: int, batch_size: int) -> int:
    """How often to go through the training data: the less there is, the more often."""
    return max(FEWEST_EPOCHS, math.ceil(FEWEST_STEPS / math.ceil(rows / batch_size)))


def train(run: DemoRun, log: StepLog) -> str:
    """Start the state machine, interrupt the training in its middle, and follow it to the end."""
    job_type = str(run.request["job_type"])
    state_machine = run.parameters.get(f"training/{job_type}/state-machine-arn")
    started = execution.start(run.cloud, state_machine, str(run.request["name"]), run.request)
    log.line(f"execution {started.arn}")
    progress = TrainingProgress()
    job, step_before = _follow(run, started, progress, log)
    run.training = _measure(run, started, job, progress, step_before)
    output = started.output()
    package = run.cloud.client("sagemaker").describe_model_package(ModelPackageName=output["model_package_arn"])
    run.registry = RegistryReport(
        group=package["ModelPackageGroupName"],
        package_arn=package["ModelPackageArn"],
        status=package["ModelApprovalStatus"],
    )
    saved = f"{run.training.savings_percent:.1f} % saved"
    return f"accuracy {run.training.accuracy:.3f}, {seconds_text(run.training.training_seconds)}, {saved}"


def _follow(run: DemoRun, started: Execution, progress: TrainingProgress, log: StepLog) -> tuple[str, int]:
    """Returns the job's name and the last step that it reported before it was interrupted."""
    before = ""
    step_before: int | None = None
    while True:
        look = started.look()
        headline = " · ".join(filter(None, [look.state, look.job_status]))
        if headline != before:
            log.note(headline)
            before = headline
        for line in look.lines:
            told = progress.read(line)
            if told:
                log.show(progress.sentence, "training")
            if told and "hfsm.step" not in line:
                log.note(line)
            else:
                log.line(line)
        if step_before is None and _in_the_middle(look, progress):
            step_before = progress.step
            log.note(f"taking the spot instance away at step {progress.step} of {progress.total_steps}")
            _interrupt(run, look)
        if not look.running:
            break
        time.sleep(POLL_SECONDS)
    if look.status != "SUCCEEDED":
        failure = started.failure()
        raise OperatorError(f"Training failed in state {failure.state}: {failure.error}: {failure.cause}")
    if look.job is None or step_before is None:
        raise OperatorError(
            "The training ended before it could be interrupted in its middle. It has too few steps for this "
            "machine: name more data."
        )
    return look.job, step_before


def _in_the_middle(look: Look, progress: TrainingProgress) -> bool:
    return look.job is not None and bool(progress.total_steps) and progress.step >= (progress.total_steps or 0) / 2


def _interrupt(run: DemoRun, look: Look) -> None:
    daemon = local.running(run.paths.state)
    if daemon is None:
        raise OperatorError("The embedded AWS has ended while it was training.")
    local.post(daemon.port, f"training-jobs/{look.job}/interrupt")


def _measure(
    run: DemoRun, started: Execution, job: str, progress: TrainingProgress, step_before: int
) -> TrainingReport:
    described = started.training_job(job)
    metrics = {metric["MetricName"]: float(metric["Value"]) for metric in described.get("FinalMetricDataList", [])}
    missing = {"eval_accuracy", "majority_baseline", "final_step"} - set(metrics)
    if missing:
        raise OperatorError(f"Training job {job} has no metric {', '.join(sorted(missing))}. Its log must report it.")
    if not progress.resumed_from or progress.resumed_from[-1] == 0:
        raise OperatorError(
            f"Training job {job} began again from step 0 when it was interrupted: no checkpoint came back."
        )
    seconds, billable = float(described["TrainingTimeInSeconds"]), float(described["BillableTimeInSeconds"])
    return TrainingReport(
        spot=bool(described.get("EnableManagedSpotTraining")),
        interruptions=_interruptions(run, job),
        save_steps=progress.save_steps or 0,
        # A script that could not even say goodbye was at the last step that it had reported.
        step_at_interruption=progress.interruptions[-1] if progress.interruptions else step_before,
        resumed_from_step=progress.resumed_from[-1],
        final_step=int(metrics["final_step"]),
        training_seconds=seconds,
        billable_seconds=billable,
        spot_price_ratio=SPOT_PRICE_RATIO,
        savings_percent=round(savings_percent(seconds, billable), 2),
        accuracy=metrics["eval_accuracy"],
        majority_baseline=metrics["majority_baseline"],
    )


def _interruptions(run: DemoRun, job: str) -> int:
    """How often the embedded AWS took the instance away."""
    daemon = local.running(run.paths.state)
    status: dict[str, Any] = (local.control(daemon.port) if daemon is not None else None) or {}
    return sum(int(entry["interruptions"]) for entry in status.get("training_jobs", []) if entry["name"] == job)


def approve(run: DemoRun, log: StepLog) -> str:
    """Approve the registered model, as a reviewer would."""
    if run.registry is None:
        raise OperatorError("No model was registered, so there is nothing to approve.")
    sagemaker = run.cloud.client("sagemaker")
    arn = run.registry.package_arn
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="Approved by the demo."
    )
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    run.registry = run.registry.model_copy(update={"status": package["ModelApprovalStatus"]})
    return f"{arn.split(':model-package/')[-1]}: {run.registry.status}"
