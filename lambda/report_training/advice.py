"""The last sentences of a report: what a person can do now."""

import json
from collections.abc import Sequence

from report_training.job import Job


def what_to_do(
    status: str,
    execution: str,
    jobs: Sequence[Job],
    model_package: str | None,
    approval: str | None = None,
    tuning_jobs: Sequence[str] = (),
) -> str:
    """How to go on without losing what was trained.

    approval: of the model. None: a person's to give. tuning_jobs: their names.
    """
    if status == "SUCCEEDED":
        if not model_package:
            return "Nothing: no model was registered."
        if approval == "Approved":
            return f"Nothing: the model is approved, since its metric reached approve_at: {model_package}"
        return f"Look at the model, and approve it for deployment or reject it: {model_package}"
    redrive = f"aws stepfunctions redrive-execution --execution-arn {execution}"
    if not jobs:
        return (
            "No training job was started, so no training is billed. Mend the request and start again; if the cause lay "
            f"outside of the request, go on at the state that failed: {redrive}"
        )
    kept = next((job.checkpoints for job in reversed(jobs) if job.checkpoints), None)
    if tuning_jobs and jobs:
        parent = json.dumps({"parents": [tuning_jobs[-1]]})
        search_on = f'To search on with what was found, add "warm_start_config": {parent} to tuning and start again'
        if status in ("ABORTED", "TIMED_OUT"):
            return f"The run was stopped, and its tuning job with it. {search_on}."
        return f"{search_on}; if the cause lay outside of the request, go on at the state that failed: {redrive}"
    go_on = (
        f'To go on from the last checkpoint, add "checkpoint_s3_uri": "{kept}" to the request and start again'
        if kept
        else "The job kept no checkpoints. Start again"
    )
    if status == "ABORTED":
        return f"Somebody stopped the run, and its training job with it. {go_on}."
    if status == "TIMED_OUT":
        return f"The run took longer than a run may, and its training job was stopped. {go_on}."
    return f"{go_on}; if the cause lay outside of the request, go on at the state that failed: {redrive}"
