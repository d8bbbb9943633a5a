"""The faults that are injected into real executions of the training workflow, and what is to follow from each.

A row whose program is small (`mode`, see workflow_machine.PROGRAM) shows what the workflow does; one that trains
(`trains`) runs the training code that is shipped, and shows what becomes of its steps.
"""

from dataclasses import dataclass, field
from typing import Any

SAVE_STEPS = 10
STEPS = 60
PARAMETERS = {
    "max_steps": STEPS,
    "train_batch_size": 8,
    "save_steps": SAVE_STEPS,
    "logging_steps": 1,
    "hidden_size": 16,
    "vocab_size": 300,
    "learning_rate": 0.01,  # so that it learns something in these few steps, and losses differ
    "seed": 3,
}
UNINTERRUPTED = "uninterrupted"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault.

    fault: in words. name: `run` is made of it.
    orders: for `/_localcloud/faults`; `{jobs}` is the beginning of its jobs' names, `{execution}` the end of its ARN.
    changes: of the request. mode: of the small program. trains: the shipped code, instead of it. script: one of the
        user's own, which the training toolkit starts in the image of the shipped code.
    error: of the execution. Omitted: it succeeds. words: what its cause says.
    entered: states that it must have come through. jobs: status of each of its jobs, in their order.
    most_steps_lost: None where nothing is said about steps.
    """

    fault: str
    name: str
    orders: tuple[dict[str, Any], ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)
    mode: str = "work"
    trains: bool = False
    script: str = ""
    error: str = ""
    words: str = ""
    entered: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ("Completed",)
    most_steps_lost: int | None = None

    @property
    def run(self) -> str:
        """Name of the execution and of its request."""
        return f"fault-{self.name}"

    @property
    def expected(self) -> str:
        steps = "" if self.most_steps_lost is None else f", at most {self.most_steps_lost} steps lost"
        return (f"fails as {self.error}" if self.error else "succeeds") + steps


def _call(api: str, **how: Any) -> dict[str, Any]:
    return {"api": api, "matching": "{jobs}", **how}


_NO_CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML "
_NO_CAPACITY += "instance type."
_QUOTA = {
    "error": "ResourceLimitExceeded",
    "status": 400,
    "message": "The account-level service limit 'ml.g4dn.xlarge for training job usage' is 0 Instances.",
}
_THROTTLED = {"error": "ThrottlingException", "status": 400, "message": "Rate exceeded"}
_THEN_ON_DEMAND: Any = {"entered": ("TrainOnSpot", "OnDemandInstead", "TrainOnDemand")}


def _interruption(fault: str, name: str, *orders: dict[str, Any], lost: int) -> Row:
    made = tuple({"interrupt": "{jobs}*", **order} for order in orders)
    return Row(fault=fault, name=name, orders=made, trains=True, most_steps_lost=lost)


TRAINING = (
    Row(fault="none", name=UNINTERRUPTED, trains=True),
    _interruption("spot interruption, once", "interrupted", {"at_line": "hfsm.step step=25 *"}, lost=0),
    _interruption(
        "spot interruption, three times",
        "thrice",
        {"at_line": "hfsm.step step=15 *"},
        {"at_line": "hfsm.start resumed_from_step=[1-9]*"},
        {"at_line": "hfsm.start resumed_from_step=[1-9]*"},
        lost=0,
    ),
    _interruption("spot interruption during a save", "saving", {"while_saving": "checkpoint-[2-5]0"}, lost=SAVE_STEPS),
    _interruption(
        "spot interruption during the upload of a checkpoint",
        "uploading",
        {"at_line": "hfsm.step step=25 *", "uploads": "begun"},
        lost=SAVE_STEPS,
    ),
    _interruption(
        "the newest checkpoint is truncated",
        "truncated",
        {"at_line": "hfsm.step step=25 *", "uploads": "truncated"},
        lost=SAVE_STEPS,
    ),
)
WORKFLOW = (
    Row(
        fault="no spot capacity",
        name="no-capacity",
        orders=({"training_job": "{jobs}*-spot-*", "fails": _NO_CAPACITY},),
        jobs=("Failed", "Completed"),
        **_THEN_ON_DEMAND,
    ),
    Row(
        fault="SageMaker itself fails on spot",
        name="internal",
        orders=({"training_job": "{jobs}*-spot-*", "fails": "InternalServerError: We encountered an internal error."},),
        jobs=("Failed", "Completed"),
        **_THEN_ON_DEMAND,
    ),
    Row(
        fault="no capacity at all",
        name="no-machines",
        orders=({"training_job": "{jobs}*", "fails": _NO_CAPACITY, "times": 2},),
        error="NoCapacity",
        words="another instance_type",
        jobs=("Failed", "Failed"),
    ),
    Row(
        fault="waited longer than max_wait for spot",
        name="waiting",
        orders=({"training_job": "{jobs}*", "no_spot_capacity": True},),
        changes={"max_run": 20, "max_wait": 20},
        jobs=("Stopped", "Completed"),
        **_THEN_ON_DEMAND,
    ),
    Row(
        fault="CreateTrainingJob is throttled three times",
        name="throttled",
        orders=(_call("sagemaker:CreateTrainingJob", **_THROTTLED, times=3),),
    ),
    Row(
        fault="CreateTrainingJob has made the job and times out",
        name="lost-answer",
        orders=(_call("sagemaker:CreateTrainingJob", lose_answer=True),),
        entered=("TrainOnSpot", "DescribeSpotJob"),
    ),
    Row(
        fault="the quota for spot is used up",
        name="no-spot-quota",
        orders=(_call("sagemaker:CreateTrainingJob", **_QUOTA),),
        **_THEN_ON_DEMAND,
    ),
    Row(
        fault="the quota is used up",
        name="no-quota",
        orders=(_call("sagemaker:CreateTrainingJob", **_QUOTA, times=2),),
        error="QuotaUsedUp",
        words="Service Quotas console, AWS services, Amazon SageMaker, `ml.g4dn.xlarge for training job usage`",
        jobs=(),
    ),
    Row(
        fault="the script hangs",
        name="hanging",
        mode="sleep",
        changes={"max_run": 5, "max_wait": 120},
        error="TrainingRanTooLong",
        words="Raise max_run",
        jobs=("Stopped",),
    ),
    Row(
        fault="the script is killed because memory ran out",
        name="memory",
        script="import os\nprint('reading', flush=True)\nos.kill(os.getpid(), 9)\n",
        error="TrainingOutOfMemory",
        words="gradient_checkpointing",
        jobs=("Failed",),
    ),
    Row(
        fault="the image is not there",
        name="no-image",
        changes={"image": "gone"},
        error="TrainingImageRefused",
        words="Cannot find the requested image",
        jobs=("Failed",),
    ),
    Row(
        fault="a channel has no data",
        name="no-channel",
        changes={"channels": {"train": "s3://{bucket}/nothing-lies-here/"}},
        error="TrainingDataNotRead",
        words="No S3 objects found",
        jobs=("Failed",),
    ),
    Row(
        fault="Lambda fails",
        name="lambda-fails",
        orders=({"api": "lambda:InvokeFunction", "matching": "{execution}", "error": "ServiceException"},),
    ),
    Row(
        fault="Lambda has no concurrency left",
        name="lambda-is-full",
        orders=(
            {
                "api": "lambda:InvokeFunction",
                "matching": "{execution}",
                "error": "TooManyRequestsException",
                "status": 429,
            },
        ),
    ),
    Row(
        fault="a function does not answer in time",
        name="lambda-hangs",
        orders=({"function_hangs": "*ValidateFunction*", "matching": "{execution}"},),
    ),
    Row(
        fault="the registry is throttled",
        name="registry-is-full",
        orders=(_call("sagemaker:CreateModelPackage", **_THROTTLED),),
    ),
    Row(
        fault="CreateModelPackage has registered the model and times out",
        name="registered",
        orders=(_call("sagemaker:CreateModelPackage", lose_answer=True),),
    ),
    Row(
        fault="the script leaves no model",
        name="no-model",
        mode="empty",
        error="ModelMissing",
        words="SM_MODEL_DIR",
    ),
    Row(
        fault="the model is worse than the gate",
        name="poor-model",
        changes={"evaluation": {"metric": "accuracy", "minimum": 0.95}},
        error="EvaluationGateFailed",
        words="below the minimum of 0.95",
    ),
)
# What takes more than an order and a look at the end: see fault_runs.
SCRIPT_RAISES = "the script raises, and the execution is redriven when it is mended"
STOPPED = "StopExecution, and then a redrive"
TOPIC_GONE = "the notification topic is gone"
S3_BUSY = "S3 answers 503 while a run is reported"
