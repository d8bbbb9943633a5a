"""`hfsm train`: upload what is local, start the state machine, follow it, say how it ended."""

import time
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm import execution, report
from hfsm.cloud import Parameters
from hfsm.errors import FAILED, WrongUseError
from hfsm.execution import Execution, Failure, Look
from hfsm.progress import Progress, seconds_text
from hfsm.request import LocalRequest
from hfsm.training_log import TRAINING_JOBS_GROUP, TrainingProgress
from hfsm.upload import upload


def train(request: LocalRequest, parameters: Parameters, console: Console, *, wait: bool = True) -> int:
    """Run one training request.

    Returns the exit code; raises OperatorError for what stops it before the start.
    """
    job = job_type(request.body.get("job_type"), str(request.path), parameters)
    state_machine = parameters.get(f"training/{job}/state-machine-arn")
    with Progress(console, "Uploading") as progress:
        body = upload(request, parameters, progress.note)
    run = execution.start(parameters.cloud, state_machine, request.name, body)
    say(console, f"Started {run.name} in {parameters.environment}.")
    if not wait:
        say(console, how_to_follow(run))
        return 0
    try:
        status = follow(run, console)
    except KeyboardInterrupt:
        say(console, "No longer following; the execution goes on.\n" + how_to_follow(run))
        return FAILED
    if status != "SUCCEEDED":
        failure = run.failure()
        print_failure(console, run, failure)
        if failure.job or failure.tuning_job:
            say(console, f"What it cost: hfsm report {run.name} --env {parameters.environment}")
        return FAILED
    if found := report.wait(job, run.name, parameters):
        say(console, found["text"])
    else:
        print_outcome(console, run)
    return 0


def say(console: Console, text: str) -> None:
    """Print text as it is: no markup, no line breaks of the console's own."""
    console.print(Text(text), soft_wrap=True)


def job_type(named: Any, where: str, parameters: Parameters) -> str:
    """The job type that `where` names; where it names none, the environment's only one."""
    deployed = parameters.children("training")
    if named is None and len(deployed) == 1:
        return deployed[0]
    if named in deployed:
        return str(named)
    if not deployed:
        # Names the missing parameter and what to deploy.
        parameters.get(f"training/{named or 'text-classification'}/state-machine-arn")
    raise WrongUseError(
        f"{where}: job_type is {named!r}; environment {parameters.environment!r} has {', '.join(deployed)}. "
        "Name one of these, or add the job type to the environment's settings and deploy."
    )


def follow(run: Execution, console: Console) -> str:
    """Show what the execution does until it ends; returns its status."""
    reported = TrainingProgress()
    before = ""
    with Progress(console, f"Training {run.name}") as progress:
        while True:
            look = run.look()
            headline = _headline(look)
            if headline != before:
                progress.note(f"  {seconds_text(progress.seconds):>10} · {headline}")
                before = headline
            for line in look.lines:
                progress.show(line, "log")
                if reported.read(line):
                    progress.show(reported.sentence, look.job_status or "job")
                    if "hfsm.start" in line or "hfsm.interrupted" in line or "hfsm.result" in line:
                        progress.note(f"  {seconds_text(progress.seconds):>10} · {line}")
            if not look.running:
                return look.status
            time.sleep(run.cloud.poll_seconds)


def _headline(look: Look) -> str:
    state = look.state or "starting"
    if look.waits:
        return f"{state}: waits, {look.waits}"
    return f"{state}: {look.job}: {look.job_status}" if look.job and look.job_status else state


def how_to_follow(run: Execution) -> str:
    """The commands that show and stop an execution."""
    step_functions = f"{run.cloud.cli_prefix} stepfunctions"
    return (
        f"  look at it: {step_functions} describe-execution --execution-arn {run.arn}\n"
        f"  its log:    {run.cloud.cli_prefix} logs tail {TRAINING_JOBS_GROUP} --follow\n"
        f"  stop it:    {step_functions} stop-execution --execution-arn {run.arn}"
    )


def savings_percent(training_seconds: float, billable_seconds: float) -> float:
    """What managed spot saved, as SageMaker's console computes it; 0 where nothing was trained."""
    return 100 * (1 - billable_seconds / training_seconds) if training_seconds else 0.0


def print_outcome(console: Console, run: Execution) -> None:
    """The table of a training run that succeeded, where its report does not come."""
    output = run.output()
    training: dict[str, Any] = output.get("training", {})
    evaluation: dict[str, Any] = output.get("evaluation", {})
    table = Table(title=f"{run.name} succeeded", show_header=False, title_justify="left")
    job = str(training.get("job_name", ""))
    table.add_row("training job", job)
    if job:
        described = run.training_job(job)
        for metric in described.get("FinalMetricDataList", []):
            table.add_row(metric["MetricName"], f"{metric['Value']:.4g}")
        seconds = float(described.get("TrainingTimeInSeconds") or training.get("training_seconds") or 0)
        billable = float(described.get("BillableTimeInSeconds") or training.get("billable_seconds") or 0)
        table.add_row("trained", seconds_text(seconds))
        table.add_row("billable", f"{seconds_text(billable)} (saved {savings_percent(seconds, billable):.1f} %)")
    if evaluation:
        limit = evaluation.get("minimum")
        table.add_row("evaluation", f"{evaluation.get('metric')} {evaluation.get('value')}, at least {limit} asked for")
    table.add_row("model package", str(output.get("model_package_arn", "")))
    console.print(table)


def print_failure(console: Console, run: Execution, failure: Failure) -> None:
    """State, error, cause and what to do, of one that did not succeed."""
    say(
        console,
        f"{run.name} {failure.status.lower().replace('_', ' ')} in state {failure.state}: {failure.error}",
    )
    if failure.cause:
        say(console, failure.cause)
    say(console, what_to_do(run, failure))


def what_to_do(run: Execution, failure: Failure) -> str:
    """The last line of a failure: where to read more, and how to go on without losing what was trained."""
    redrive = f"{run.cloud.cli_prefix} stepfunctions redrive-execution --execution-arn {run.arn}"
    if failure.error == "InvalidTrainingRequest":
        return "No training job was started. Correct the request and start it again."
    go_on = f"When the cause is gone, this goes on where it failed: {redrive}"
    if failure.tuning_job is not None:
        listing = "list-training-jobs-for-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name"
        return (
            f"What its training jobs say: {run.cloud.cli_prefix} sagemaker {listing} {failure.tuning_job}\n{go_on}\n"
            f'To search on with what was found, add "warm_start_config": {{"parents": ["{failure.tuning_job}"]}} to '
            "tuning in the request and start it."
        )
    if failure.job is None:
        return f"No training job was started. {go_on}"
    log = f"{run.cloud.cli_prefix} logs tail {TRAINING_JOBS_GROUP} --log-stream-name-prefix {failure.job}/ --since 7d"
    checkpoints = run.training_job(failure.job).get("CheckpointConfig", {}).get("S3Uri")
    lines = [f"The whole log: {log}", go_on]
    if checkpoints:
        lines.append(
            "To go on from its last checkpoint with another request, add "
            f'"checkpoint_s3_uri": "{checkpoints}" to it and start it.'
        )
    return "\n".join(lines)
