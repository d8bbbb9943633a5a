"""The states of a training run, and the ways between them."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from hf_sagemaker.training_job_task import TrainingJobPlace, TrainingJobTask

# What SageMaker writes into FailureReason and SecondaryStatus when spot, and not the script, is the trouble. An
# interruption as such is no sign: the job waits and goes on by itself, until it has waited too long.
_SPOT_TROUBLE = ("*CapacityError:*", "*MaxWaitTimeExceeded*", "*InternalServerError:*")


class TrainingStates(Construct):
    """Builds the graph of states; `start` is the first."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        place: TrainingJobPlace,
        validate: lambda_.IFunction,
        request_defaults: Mapping[str, Any],
        evaluate: lambda_.IFunction,
        model_package_group_name: str,
        inference_image_uri: str,
        task: str,
        topic: sns.ITopic,
    ) -> None:
        """Creates the states.

        request_defaults: what `validate` fills in where a request is silent.
        task: becomes HF_TASK of the registered model.
        """
        super().__init__(scope, construct_id)
        self._topic = topic
        self._failed = self._failure_path()
        trouble = self._trouble()
        evaluation = self._evaluation(evaluate, trouble)
        registration = self._registration(model_package_group_name, inference_image_uri, task)
        registration.add_catch(trouble, result_path="$.failure")
        passed = sfn.Choice(self, "GatePassed", state_name="GatePassed")
        evaluation.next(passed)
        passed.when(sfn.Condition.boolean_equals("$.result.evaluation.passed", True), registration)
        passed.otherwise(self._gate_failed())
        registration.next(self._notify_success())

        on_demand = TrainingJobTask(
            self, "TrainOnDemand", place=place, spot=False, checkpoints=request_defaults["checkpoints"]
        )
        on_demand.add_catch(trouble, result_path="$.failure")
        on_demand.next(self._outcome("OnDemandOutcome", evaluation, self._stopped("OnDemandStopped")))

        on_spot = TrainingJobTask(self, "TrainOnSpot", place=place, spot=True)
        on_spot.add_catch(self._why_spot_ended(on_demand, trouble), result_path="$.failure")
        # A job that waited too long ends as Stopped, which is no error to Step Functions.
        on_spot.next(
            self._outcome("SpotOutcome", evaluation, self._stopped("SpotStopped"), when_waited_too_long=on_demand)
        )
        self.start = self._validation(validate, request_defaults, trouble)
        self.start.next(
            sfn.Choice(self, "UseSpot", state_name="UseSpot")
            .when(sfn.Condition.boolean_equals("$.job.spot", True), on_spot)
            .otherwise(on_demand)
        )

    def _validation(
        self, function: lambda_.IFunction, defaults: Mapping[str, Any], trouble: sfn.IChainable
    ) -> tasks.LambdaInvoke:
        state = tasks.LambdaInvoke(
            self,
            "Validate",
            state_name="Validate",
            lambda_function=function,
            payload=sfn.TaskInput.from_object(
                {
                    "request": sfn.JsonPath.entire_payload,
                    "defaults": defaults,
                    "execution_id": sfn.JsonPath.execution_id,
                }
            ),
            payload_response_only=True,
            result_path="$.job",
        )
        state.add_catch(trouble, result_path="$.failure")
        return state

    def _evaluation(self, function: lambda_.IFunction, trouble: sfn.IChainable) -> tasks.LambdaInvoke:
        state = tasks.LambdaInvoke(
            self,
            "Evaluate",
            state_name="Evaluate",
            lambda_function=function,
            payload=sfn.TaskInput.from_object(
                {
                    "evaluation": sfn.JsonPath.object_at("$.job.evaluation"),
                    "training": sfn.JsonPath.object_at("$.training"),
                }
            ),
            payload_response_only=True,
            result_path="$.result",
        )
        state.add_catch(trouble, result_path="$.failure")
        return state

    def _registration(self, group: str, image_uri: str, task: str) -> sfn.CustomState:
        types = ["application/json"]
        return sfn.CustomState(
            self,
            "Register",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{Stack.of(self).partition}:states:::aws-sdk:sagemaker:createModelPackage",
                "Parameters": {
                    "ModelPackageGroupName": group,
                    "ModelApprovalStatus": "PendingManualApproval",
                    "ModelPackageDescription.$": "States.Format('Trained by {}', $.result.training.job_name)",
                    "CustomerMetadataProperties.$": "$.result.metadata",
                    "InferenceSpecification": {
                        "Containers": [
                            {
                                "Image": image_uri,
                                "ModelDataUrl.$": "$.result.training.model_data",
                                "Environment": {"HF_TASK": task, "HF_HUB_OFFLINE": "1"},
                            }
                        ],
                        "SupportedContentTypes": types,
                        "SupportedResponseMIMETypes": types,
                    },
                },
                "ResultPath": "$.registration",
                "Retry": [
                    {
                        "ErrorEquals": ["SageMaker.SageMakerException", "SageMaker.SdkClientException"],
                        "IntervalSeconds": 2,
                        "BackoffRate": 2,
                        "MaxAttempts": 4,
                        "MaxDelaySeconds": 60,
                        "JitterStrategy": "FULL",
                    }
                ],
            },
        )

    def _notify_success(self) -> sfn.IChainable:
        message = sfn.JsonPath.format(
            "{} is done. {} = {} (at least {} was asked for). Trained {} s, billed {} s. "
            "The model waits for approval: {}",
            sfn.JsonPath.string_at("$.result.training.job_name"),
            sfn.JsonPath.string_at("$.result.evaluation.metric"),
            sfn.JsonPath.string_at("$.result.evaluation.value"),
            sfn.JsonPath.string_at("$.result.evaluation.minimum"),
            sfn.JsonPath.string_at("$.result.training.training_seconds"),
            sfn.JsonPath.string_at("$.result.training.billable_seconds"),
            sfn.JsonPath.string_at("$.registration.ModelPackageArn"),
        )
        output = sfn.Pass(
            self,
            "Done",
            state_name="Done",
            parameters={
                "training.$": "$.result.training",
                "evaluation.$": "$.result.evaluation",
                "model_package_arn.$": "$.registration.ModelPackageArn",
            },
        )
        notify = self._publish("Notify", "Training is done", message)
        # The model is registered: an unreachable topic must not turn that into a failure.
        notify.add_catch(output, result_path="$.notification")
        return notify.next(output)

    def _publish(self, name: str, subject: str, message: str) -> tasks.SnsPublish:
        return tasks.SnsPublish(
            self,
            name,
            state_name=name,
            topic=self._topic,
            subject=subject,
            message=sfn.TaskInput.from_text(message),
            result_path=sfn.JsonPath.DISCARD,
        )

    def _outcome(
        self,
        name: str,
        completed: sfn.IChainable,
        stopped: sfn.IChainable,
        when_waited_too_long: sfn.IChainable | None = None,
    ) -> sfn.Choice:
        choice = sfn.Choice(self, name, state_name=name)
        choice.when(sfn.Condition.string_equals("$.training.TrainingJobStatus", "Completed"), completed)
        if when_waited_too_long:
            choice.when(
                sfn.Condition.string_equals("$.training.SecondaryStatus", "MaxWaitTimeExceeded"),
                when_waited_too_long,
            )
        return choice.otherwise(stopped)

    def _why_spot_ended(self, on_demand: sfn.IChainable, trouble: sfn.IChainable) -> sfn.Choice:
        choice = sfn.Choice(self, "WhySpotEnded", state_name="WhySpotEnded")
        signs = [sfn.Condition.string_matches("$.failure.Cause", sign) for sign in _SPOT_TROUBLE]
        return choice.when(sfn.Condition.or_(*signs), on_demand).otherwise(trouble)

    def _trouble(self) -> sfn.Choice:
        """Causes come as JSON from SageMaker and from functions, as text from everything else."""
        choice = sfn.Choice(self, "WhatFailed", state_name="WhatFailed")
        choice.when(
            sfn.Condition.string_matches("$.failure.Cause", '*"FailureReason"*'),
            self._read_cause("ReadJobFailure").next(
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
            ),
        )
        choice.when(
            sfn.Condition.string_matches("$.failure.Cause", '*"errorMessage"*'),
            self._read_cause("ReadFunctionFailure").next(
                self._explain("FunctionRefused", sfn.JsonPath.string_at("$.cause.json.errorMessage"))
            ),
        )
        return choice.otherwise(self._explain("ServiceFailed", sfn.JsonPath.string_at("$.failure.Cause")))

    def _read_cause(self, name: str) -> sfn.Pass:
        return sfn.Pass(
            self,
            name,
            state_name=name,
            parameters={"json.$": "States.StringToJson($.failure.Cause)"},
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
        state.next(self._failed)
        return state

    def _stopped(self, name: str) -> sfn.Pass:
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

    def _gate_failed(self) -> sfn.Pass:
        return self._explain(
            "GateFailed",
            sfn.JsonPath.format(
                "The model was trained but not registered: {} is {}, below the minimum of {}. The model lies at {}.",
                sfn.JsonPath.string_at("$.result.evaluation.metric"),
                sfn.JsonPath.string_at("$.result.evaluation.value"),
                sfn.JsonPath.string_at("$.result.evaluation.minimum"),
                sfn.JsonPath.string_at("$.result.training.model_data"),
            ),
            error="EvaluationGateFailed",
        )

    def _failure_path(self) -> sfn.IChainable:
        failed = sfn.Fail(
            self, "Failed", state_name="Failed", error_path="$.outcome.Error", cause_path="$.outcome.Cause"
        )
        notify = self._publish(
            "NotifyFailure",
            "Training failed",
            sfn.JsonPath.format(
                "{}: {} Execution: {}",
                sfn.JsonPath.string_at("$.outcome.Error"),
                sfn.JsonPath.string_at("$.outcome.Cause"),
                sfn.JsonPath.execution_id,
            ),
        )
        notify.add_catch(failed, result_path="$.notification")
        return notify.next(failed)
