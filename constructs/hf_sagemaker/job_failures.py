"""Why a training job did not end well, in words, by what SageMaker says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

_NAME = "$.cause.json.TrainingJobName"
_REASON = "$.cause.json.FailureReason"
_SECONDARY = "$.cause.json.SecondaryStatus"
_FROM_CHECKPOINT = "its checkpoints are kept, and checkpoint_s3_uri in a new request goes on from them"


@dataclass(frozen=True)
class _Reason:
    """name: of the state. error: of the execution. patterns: of FailureReason. words: what it means, what to do."""

    name: str
    error: str
    patterns: Sequence[str]
    words: str


_REASONS = (
    _Reason(
        "NoCapacity",
        "NoCapacity",
        ("*CapacityError*",),
        "AWS has no instance of this type free, on demand neither. Redrive the execution later: it goes on from the "
        "last checkpoint. Or start again with another instance_type.",
    ),
    _Reason(
        "OutOfMemory",
        "TrainingOutOfMemory",
        # The kernel killed the script: as a shell, as the training toolkit, as our entry point in the image says it.
        # PyTorch's error comes in both spellings.
        (
            "*exit code: 137*",
            "*ExitCode 137*",
            "*ExitCode -9*",
            "*ended by SIGKILL*",
            "*OutOfMemory*",
            "*out of memory*",
        ),
        "The script needed more memory than there is. Take a smaller per_device_train_batch_size with more "
        "gradient_accumulation_steps, switch gradient_checkpointing on, shorten the sequences, or ask for a bigger "
        f"instance_type; {_FROM_CHECKPOINT}.",
    ),
    _Reason(
        "ImageRefused",
        "TrainingImageRefused",
        (
            "*Cannot pull algorithm container*",
            "*Cannot find the requested image*",
            "*algorithm image*",
            "*does not exist in the registry*",
        ),
        "SageMaker could not run the training image. Build it again (hfsm build), and see that the training role may "
        "read its repository. Then redrive the execution: it reads the digest of the image anew.",
    ),
    _Reason(
        "DataNotRead",
        "TrainingDataNotRead",
        (
            "*Data download failed*",
            "*No S3 objects found*",
            "*AccessDenied*",
            "*Access denied*",
            "*NoSuchBucket*",
            "*Unable to mount*",
        ),
        "SageMaker could not read what a channel names. See that something lies there, and that the training role may "
        "read the bucket and use its key; of a file system, that it admits the security group of jobs. Then redrive "
        "the execution, or start again with other channels.",
    ),
)


class Explain(Protocol):
    """`TrainingFailures.explain`."""

    def __call__(self, name: str, cause: str, error: str = "") -> sfn.Pass: ...


class JobFailures(Construct):
    """Finds the words for a job whose description lies at `$.cause.json`. start: the first state."""

    def __init__(self, scope: Construct, construct_id: str, *, explain: Explain) -> None:
        """Creates the states. explain: makes a state that says why, and fails."""
        super().__init__(scope, construct_id)
        job = sfn.JsonPath.string_at(_NAME)
        ran_too_long = explain(
            "RanTooLong",
            sfn.JsonPath.format(
                f"Training job {{}} was stopped because it ran longer than max_run; {_FROM_CHECKPOINT}. Raise max_run "
                "in it, or let the script do less.",
                job,
            ),
            error="TrainingRanTooLong",
        )
        stopped = explain(
            "JobStopped",
            sfn.JsonPath.format(
                "Training job {} was stopped. Somebody stopped it, or it waited longer than max_wait. Redrive the "
                "execution to go on from its last checkpoint.",
                job,
            ),
            error="TrainingJobStopped",
        )
        script_failed = explain(
            "TrainingJobFailed",
            sfn.JsonPath.format(
                "Training job {} failed: {}. Its whole log is in the log group /aws/sagemaker/TrainingJobs. Mend the "
                f"script, the data or the request, and start again; {_FROM_CHECKPOINT}.",
                job,
                sfn.JsonPath.string_at(_REASON),
            ),
            error="TrainingJobFailed",
        )
        has_reason = sfn.Condition.is_present(_REASON)
        choice = (
            sfn.Choice(self, "HowJobEnded", state_name="HowJobEnded")
            .when(
                sfn.Condition.and_(
                    sfn.Condition.is_present(_SECONDARY),
                    sfn.Condition.string_equals(_SECONDARY, "MaxRuntimeExceeded"),
                ),
                ran_too_long,
            )
            .when(sfn.Condition.not_(has_reason), stopped)
        )
        for reason in _REASONS:
            matches = [sfn.Condition.string_matches(_REASON, pattern) for pattern in reason.patterns]
            any_of_them = matches[0] if len(matches) == 1 else sfn.Condition.or_(*matches)
            words = sfn.JsonPath.format(
                f"Training job {{}} failed: {{}}. {reason.words}", job, sfn.JsonPath.string_at(_REASON)
            )
            choice.when(sfn.Condition.and_(has_reason, any_of_them), explain(reason.name, words, error=reason.error))
        self.start = choice.otherwise(script_failed)
