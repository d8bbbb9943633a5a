"""Why a tuning or processing job did not end well, in words; its description is the cause of the failure."""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.job_failures import Explain

_TUNING_NAME = "$.cause.json.HyperParameterTuningJobName"
_REASON = "$.cause.json.FailureReason"
_MESSAGE = "$.cause.json.ExitMessage"
"""What a script of a processing job has said before it failed."""


class TuningFailures(Construct):
    """Finds the words for a tuning job whose description lies at `$.cause.json`. start: the first state."""

    def __init__(self, scope: Construct, construct_id: str, *, explain: Explain) -> None:
        """Creates the states. explain: makes a state that says why, and fails."""
        super().__init__(scope, construct_id)
        name = sfn.JsonPath.string_at(_TUNING_NAME)
        stopped = explain(
            "TuningJobStopped",
            sfn.JsonPath.format(
                "Tuning job {} was stopped, and its training jobs with it. Redrive the execution to search again from "
                "the beginning; or start again with warm_start_config, which takes it as a parent.",
                name,
            ),
            error="TuningJobStopped",
        )
        failed = explain(
            "TuningJobFailed",
            sfn.JsonPath.format(
                "Tuning job {} failed: {} What each of its training jobs says: aws sagemaker "
                "list-training-jobs-for-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name {} (their logs "
                "are in the log group /aws/sagemaker/TrainingJobs). Mend the script, the ranges or the request, and "
                "start again.",
                name,
                sfn.JsonPath.string_at(_REASON),
                name,
            ),
            error="TuningJobFailed",
        )
        self.start = (
            sfn.Choice(self, "HowTuningEnded", state_name="HowTuningEnded")
            .when(sfn.Condition.is_present(_REASON), failed)
            .otherwise(stopped)
        )


class ProcessingFailures(Construct):
    """Finds the words for a processing job whose description lies at `$.cause.json`. start: the first state."""

    def __init__(self, scope: Construct, construct_id: str, *, explain: Explain) -> None:
        """Creates the states. explain: makes a state that says why, and fails."""
        super().__init__(scope, construct_id)
        name = sfn.JsonPath.string_at("$.cause.json.ProcessingJobName")
        log = "Its whole log is in the log group /aws/sagemaker/ProcessingJobs."
        go_on = (
            "Redrive the execution when that is mended outside of the request: what was prepared and trained before is "
            "not done again. Or start again with another request."
        )
        said = explain(
            "ProcessingJobSaid",
            sfn.JsonPath.format(
                f"Processing job {{}} failed: {{}} {log} {go_on}", name, sfn.JsonPath.string_at(_MESSAGE)
            ),
            error="ProcessingJobFailed",
        )
        failed = explain(
            "ProcessingJobFailed",
            sfn.JsonPath.format(
                f"Processing job {{}} failed: {{}}. {log} {go_on}", name, sfn.JsonPath.string_at(_REASON)
            ),
            error="ProcessingJobFailed",
        )
        stopped = explain(
            "ProcessingJobStopped",
            sfn.JsonPath.format(f"Processing job {{}} was stopped. {go_on}", name),
            error="ProcessingJobStopped",
        )
        self.start = (
            sfn.Choice(self, "HowProcessingEnded", state_name="HowProcessingEnded")
            .when(sfn.Condition.is_present(_MESSAGE), said)
            .when(sfn.Condition.is_present(_REASON), failed)
            .otherwise(stopped)
        )
