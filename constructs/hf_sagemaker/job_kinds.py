"""The kinds of SageMaker jobs that Step Functions runs to their end, and what AWS calls each. Imports no CDK.

Source: Step Functions developer guide, "Create and manage Amazon SageMaker AI jobs" and "IAM policies for SageMaker".
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class JobKind:
    """One kind of job.

    api: as in Create…, Describe… and Stop…. resource: as in ARNs. rule: the managed EventBridge rule by which Step
    Functions learns that a job of this kind has ended. longest_name: characters. longest_run: seconds.
    """

    api: str
    resource: str
    rule: str
    longest_name: int
    longest_run: int


_DAY = 24 * 3600

TRAINING = JobKind(
    api="TrainingJob",
    resource="training-job",
    rule="StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    longest_name=63,
    longest_run=28 * _DAY,  # waiting for spot instances included
)
PROCESSING = JobKind(
    api="ProcessingJob",
    resource="processing-job",
    rule="StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    longest_name=63,
    longest_run=9 * _DAY,
)
TRANSFORM = JobKind(
    api="TransformJob",
    resource="transform-job",
    rule="StepFunctionsGetEventsForSageMakerTransformJobsRule",
    longest_name=63,
    longest_run=5 * _DAY,
)
TUNING = JobKind(
    api="HyperParameterTuningJob",
    resource="hyper-parameter-tuning-job",
    rule="StepFunctionsGetEventsForSageMakerTuningJobsRule",
    longest_name=32,
    longest_run=30 * _DAY,
)
KINDS = (TRAINING, PROCESSING, TRANSFORM, TUNING)

_LONGEST_TUNING_PREFIX = 13
"""Characters: what is left of 32 after a name's hash, attempt and number of redrives, and hyphens between them."""


def tuning_prefix(environment: str) -> str:
    """With what the names of an environment's tuning jobs and their children begin: mostly the environment's name."""
    return environment[:_LONGEST_TUNING_PREFIX].rstrip("-")
