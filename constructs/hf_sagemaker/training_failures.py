"""What a training run says when it fails: what happened, and what to do."""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.job_failures import JobFailures
from hf_sagemaker.redrivable_failure import REDRIVES, RedrivableFailure
from hf_sagemaker.step_failures import ProcessingFailures, TuningFailures

CAUSE = "$.failure.Cause"
"""Where a caught error has its cause. It has a name always, and a cause mostly: a time limit that ran out has none."""
QUOTA = "SageMaker.ResourceLimitExceededException"


class TrainingFailures(Construct):
    """The states between a failure and `Failed`.

    caught: where an error that lies at `$.failure` goes.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Creates the states."""
        super().__init__(scope, construct_id)
        self._failed = RedrivableFailure(self, "Failed")
        self.caught = self._by_cause()

    def when_redriven(self, next_state: sfn.IChainable) -> None:
        """Where a redrive of a failed execution goes on. To be called once."""
        self._failed.when_redriven(next_state)

    def image_missing(
        self, name: str, missing: str, parameter: str, uri: str, other_parameter: str, other_uri: str
    ) -> sfn.Pass:
        """A state for a run one of whose two images is not there yet.

        missing: `built yet: run hfsm build`, or what else it lacks. parameter, other_parameter: their names.
        uri, other_uri: the paths of what they say.
        """
        return self.explain(
            name,
            sfn.JsonPath.format(
                f"An image of this run has not been {missing}. {{}} says {{}}, and {{}} says {{}}; each must be a "
                "digest in the repository of that image. No job was started. When the image is there, redrive the "
                "execution.",
                parameter,
                sfn.JsonPath.string_at(uri),
                other_parameter,
                sfn.JsonPath.string_at(other_uri),
            ),
            error="ImageNotBuilt",
        )

    def gate_failed(self, name: str) -> sfn.Pass:
        """A state for a model that does not pass the gate, whose evaluation lies at `$.result`."""
        return self.explain(
            name,
            sfn.JsonPath.format(
                "The model was trained but not registered: {} is {}, below the minimum of {}. The model lies at {}. "
                "Train it better, or start again with a lower evaluation.minimum.",
                sfn.JsonPath.string_at("$.result.evaluation.metric"),
                sfn.JsonPath.string_at("$.result.evaluation.value"),
                sfn.JsonPath.string_at("$.result.evaluation.minimum"),
                sfn.JsonPath.string_at("$.result.training.model_data"),
            ),
            error="EvaluationGateFailed",
        )

    def _by_cause(self) -> sfn.Choice:
        """Causes come as JSON from SageMaker and from functions, as text from everything else, or not at all."""
        function_refused = self._read_cause("ReadFunctionFailure").next(
            self.explain("FunctionRefused", sfn.JsonPath.string_at("$.cause.json.errorMessage"))
        )
        job_ended = self._read_cause("ReadJobFailure").next(JobFailures(self, "Jobs", explain=self.explain).start)
        tuning_ended = self._read_cause("ReadTuningFailure").next(
            TuningFailures(self, "Tuning", explain=self.explain).start
        )
        processing_ended = self._read_cause("ReadProcessingFailure").next(
            ProcessingFailures(self, "Processing", explain=self.explain).start
        )
        no_cause = self.explain(
            "FailedWithoutCause",
            sfn.JsonPath.format(
                "{}, and AWS gave no cause. The history of the execution shows which state it was; a time limit that "
                "ran out is the usual one. Redrive the execution to try that state again.",
                sfn.JsonPath.string_at("$.failure.Error"),
            ),
        )
        service = self.explain(
            "ServiceFailed",
            sfn.JsonPath.format(
                "{} When that is mended, redrive the execution: it goes on where it failed.",
                sfn.JsonPath.string_at(CAUSE),
            ),
        )
        return (
            sfn.Choice(self, "WhatFailed", state_name="WhatFailed")
            .when(
                sfn.Condition.and_(
                    sfn.Condition.string_equals("$.failure.Error", QUOTA),
                    sfn.Condition.is_present(CAUSE),
                    sfn.Condition.is_present("$.job"),
                ),
                self._quota(),
            )
            # Its description may name the best of its training jobs.
            .when(cause_matches('*"HyperParameterTuningJobName"*'), tuning_ended)
            .when(cause_matches('*"ProcessingJobName"*'), processing_ended)
            .when(cause_matches('*"TrainingJobName"*'), job_ended)
            .when(cause_matches('*"errorMessage"*'), function_refused)
            .when(sfn.Condition.is_present(CAUSE), service)
            .otherwise(no_cause)
        )

    def _quota(self) -> sfn.Pass:
        instance_type = sfn.JsonPath.string_at("$.job.resources.InstanceType")
        return self.explain(
            "QuotaUsedUp",
            sfn.JsonPath.format(
                "A quota of this account is used up, so no job was started: {} Wait until other jobs have ended, or "
                "ask for more: Service Quotas console, AWS services, Amazon SageMaker, `{} for training job usage` (on "
                "demand; spot has a quota of its own, `{} for spot training job usage`). Then redrive the execution. "
                "Or start again with another instance_type, whose quotas are others.",
                sfn.JsonPath.string_at(CAUSE),
                instance_type,
                instance_type,
            ),
            error="QuotaUsedUp",
        )

    def _read_cause(self, name: str) -> sfn.Pass:
        return sfn.Pass(
            self,
            name,
            state_name=name,
            parameters={"json.$": f"States.StringToJson({CAUSE})"},
            result_path="$.cause",
        )

    def explain(self, name: str, cause: str, error: str = "") -> sfn.Pass:
        """A state that puts a failure into words, and fails.

        cause: text, or an expression that makes one. error: a name. Omitted: the caught error's.
        """
        state = sfn.Pass(
            self,
            name,
            state_name=name,
            parameters={
                "Error": error or sfn.JsonPath.string_at("$.failure.Error"),
                "Cause": cause,
                "Redrives": sfn.JsonPath.number_at(REDRIVES),
            },
            result_path="$.outcome",
        )
        state.next(self._failed)
        return state


def cause_matches(*patterns: str) -> sfn.Condition:
    """Whether a caught error has a cause that matches one of the patterns, in which `*` is any text."""
    matches = [sfn.Condition.string_matches(CAUSE, pattern) for pattern in patterns]
    return sfn.Condition.and_(
        sfn.Condition.is_present(CAUSE), matches[0] if len(matches) == 1 else sfn.Condition.or_(*matches)
    )
