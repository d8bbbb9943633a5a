"""What a training run says when it fails: what happened, what to do, and to whom it is told."""

from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.notification import Notification

CAUSE = "$.failure.Cause"
"""Where a caught error has its cause. It has a name always, and a cause mostly: a time limit that ran out has none."""


class TrainingFailures(Construct):
    """The states between a failure and `Failed`.

    caught: where an error that lies at `$.failure` goes.
    """

    def __init__(self, scope: Construct, construct_id: str, *, topic: sns.ITopic) -> None:
        """Creates the states. topic: told what happened before the execution fails."""
        super().__init__(scope, construct_id)
        self._told = Notification(
            self,
            "NotifyFailure",
            topic=topic,
            subject="Training failed",
            message=sfn.JsonPath.format(
                "{}: {} Execution: {}",
                sfn.JsonPath.string_at("$.outcome.Error"),
                sfn.JsonPath.string_at("$.outcome.Cause"),
                sfn.JsonPath.execution_id,
            ),
            next_state=sfn.Fail(
                self, "Failed", state_name="Failed", error_path="$.outcome.Error", cause_path="$.outcome.Cause"
            ),
        )
        self.caught = self._by_cause()

    def stopped(self, name: str) -> sfn.Pass:
        """A state for a job that was stopped, whose description lies at `$.training`."""
        return self._explain(
            name,
            sfn.JsonPath.format(
                "Training job {} was stopped ({}). Somebody stopped it, or it ran longer than max_run. Its checkpoints "
                "are kept: start again with the same checkpoint_s3_uri to go on.",
                sfn.JsonPath.string_at("$.training.TrainingJobName"),
                sfn.JsonPath.string_at("$.training.SecondaryStatus"),
            ),
            error="TrainingJobStopped",
        )

    def image_missing(self, name: str, parameter: str, uri: str) -> sfn.Pass:
        """A state for an image that has not been built. parameter: its name. uri: the path of what it says."""
        return self._explain(
            name,
            sfn.JsonPath.format(
                "The image of {} has not been built yet: run hfsm build, which also follows a build that a deployment "
                "has started. The parameter says {}, which is no digest in "
                "the repository of that image. No job was started.",
                parameter,
                sfn.JsonPath.string_at(uri),
            ),
            error="ImageNotBuilt",
        )

    def gate_failed(self, name: str) -> sfn.Pass:
        """A state for a model that does not pass the gate, whose evaluation lies at `$.result`."""
        return self._explain(
            name,
            sfn.JsonPath.format(
                "The model was trained but not registered: {} is {}, below the minimum of {}. The model lies at {}.",
                sfn.JsonPath.string_at("$.result.evaluation.metric"),
                sfn.JsonPath.string_at("$.result.evaluation.value"),
                sfn.JsonPath.string_at("$.result.evaluation.minimum"),
                sfn.JsonPath.string_at("$.result.training.model_data"),
            ),
            error="EvaluationGateFailed",
        )

    def _by_cause(self) -> sfn.Choice:
        """Causes come as JSON from SageMaker and from functions, as text from everything else, or not at all."""
        job_failed = self._read_cause("ReadJobFailure").next(
            self._explain(
                "TrainingJobFailed",
                sfn.JsonPath.format(
                    "Training job {} failed: {}. Its whole log is in the log group "
                    "/aws/sagemaker/TrainingJobs. Mend the script, the data or the request, and start again.",
                    sfn.JsonPath.string_at("$.cause.json.TrainingJobName"),
                    sfn.JsonPath.string_at("$.cause.json.FailureReason"),
                ),
                error="TrainingJobFailed",
            )
        )
        function_refused = self._read_cause("ReadFunctionFailure").next(
            self._explain("FunctionRefused", sfn.JsonPath.string_at("$.cause.json.errorMessage"))
        )
        no_cause = self._explain(
            "FailedWithoutCause",
            sfn.JsonPath.format(
                "{}, and AWS gave no cause. The history of the execution shows which state it was; a time limit that "
                "ran out is the usual one.",
                sfn.JsonPath.string_at("$.failure.Error"),
            ),
        )
        return (
            sfn.Choice(self, "WhatFailed", state_name="WhatFailed")
            .when(cause_matches('*"FailureReason"*'), job_failed)
            .when(cause_matches('*"errorMessage"*'), function_refused)
            .when(sfn.Condition.is_present(CAUSE), self._explain("ServiceFailed", sfn.JsonPath.string_at(CAUSE)))
            .otherwise(no_cause)
        )

    def _read_cause(self, name: str) -> sfn.Pass:
        return sfn.Pass(
            self,
            name,
            state_name=name,
            parameters={"json.$": f"States.StringToJson({CAUSE})"},
            result_path="$.cause",
        )

    def _explain(self, name: str, cause: str, error: str = "") -> sfn.Pass:
        state = sfn.Pass(
            self,
            name,
            state_name=name,
            parameters={"Error": error or sfn.JsonPath.string_at("$.failure.Error"), "Cause": cause},
            result_path="$.outcome",
        )
        state.next(self._told)
        return state


def cause_matches(*patterns: str) -> sfn.Condition:
    """Whether a caught error has a cause that matches one of the patterns, in which `*` is any text."""
    matches = [sfn.Condition.string_matches(CAUSE, pattern) for pattern in patterns]
    return sfn.Condition.and_(
        sfn.Condition.is_present(CAUSE), matches[0] if len(matches) == 1 else sfn.Condition.or_(*matches)
    )
