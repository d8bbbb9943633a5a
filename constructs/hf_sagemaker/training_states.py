"""The states of a training run, and the ways between them."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from hf_sagemaker.git_source import CODE, BringCode, GitSource
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.notification import Notification
from hf_sagemaker.pinned_image import PinnedImage
from hf_sagemaker.place import place_of
from hf_sagemaker.state_input import FromInput
from hf_sagemaker.training_failures import TrainingFailures, cause_matches
from hf_sagemaker.training_job_task import TrainingJobPlace, TrainingJobTask

# What SageMaker writes into FailureReason and SecondaryStatus when spot, and not the script, is the trouble. An
# interruption as such is no sign: the job waits and goes on by itself, until it has waited too long.
_SPOT_TROUBLE = ("*CapacityError:*", "*MaxWaitTimeExceeded*", "*InternalServerError:*")
_RETRIES = FromInput("$.job.max_retry_attempts")
_ANSWER_SECONDS = 120
"""How long a function or the model registry may take to answer: more than a function's own limit of 30 seconds."""


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
        training_images: Mapping[str, ImageByDigest],
        inference_image: ImageByDigest,
        task: str,
        topic: sns.ITopic,
        git: GitSource | None = None,
    ) -> None:
        """Creates the states.

        git: brings the code of requests that have git_config. Omitted: there is none.

        training_images: those that a request may name. inference_image: of every model. The digests of the two that a
            run needs are read when it begins: what is built meanwhile is for the next one.
        request_defaults: what `validate` fills in where a request is silent.
        task: becomes HF_TASK of the registered model.
        """
        super().__init__(scope, construct_id)
        failures = TrainingFailures(self, "Failures", topic=topic)
        trouble = failures.caught
        evaluation = self._evaluation(evaluate, trouble)
        images = [
            PinnedImage(self, "TrainingImage", images=training_images, failures=failures, chosen="$.job.image"),
            PinnedImage(self, "InferenceImage", images={"inference": inference_image}, failures=failures),
        ]
        registration = self._registration(model_package_group_name, images[1].uri, task)
        registration.add_catch(trouble, result_path="$.failure")
        passed = sfn.Choice(self, "GatePassed", state_name="GatePassed")
        evaluation.next(passed)
        passed.when(sfn.Condition.boolean_equals("$.result.evaluation.passed", True), registration)
        passed.otherwise(failures.gate_failed("GateFailed"))
        registration.next(self._told(topic))

        on_demand = TrainingJobTask(
            self,
            "TrainOnDemand",
            place=place,
            image=images[0].uri,
            spot=False,
            checkpoints=request_defaults["checkpoints"],
            retry_attempts=_RETRIES,
        )
        on_demand.add_catch(trouble, result_path="$.failure")
        on_demand.next(self._outcome("OnDemandOutcome", evaluation, failures.stopped("OnDemandStopped")))

        on_spot = TrainingJobTask(
            self, "TrainOnSpot", place=place, image=images[0].uri, spot=True, retry_attempts=_RETRIES
        )
        on_spot.add_catch(self._why_spot_ended(on_demand, trouble), result_path="$.failure")
        # A job that waited too long ends as Stopped, which is no error to Step Functions.
        on_spot.next(
            self._outcome("SpotOutcome", evaluation, failures.stopped("SpotStopped"), when_waited_too_long=on_demand)
        )
        self.start = self._validation(
            "Validate", validate, {"request": sfn.JsonPath.entire_payload, "defaults": request_defaults}, trouble
        )
        self.start.next(images[0].start)
        images[0].then(images[1].start)
        use_spot = sfn.Choice(self, "UseSpot", state_name="UseSpot")
        if git:
            whole = {
                "request": sfn.JsonPath.object_at("$$.Execution.Input"),
                "defaults": request_defaults,
                "code": sfn.JsonPath.object_at(CODE),
            }
            again = self._validation("MakeJobOfCode", validate, whole, trouble)
            again.next(use_spot)
            bring = BringCode(self, "Git", source=git, trouble=trouble, then=again)
            use_spot.when(sfn.Condition.is_present("$.job.fetch_code"), bring.start)
        images[1].then(use_spot.when(sfn.Condition.boolean_equals("$.job.spot", True), on_spot).otherwise(on_demand))

    def _validation(
        self, name: str, function: lambda_.IFunction, payload: Mapping[str, Any], trouble: sfn.IChainable
    ) -> tasks.LambdaInvoke:
        state = tasks.LambdaInvoke(
            self,
            name,
            state_name=name,
            lambda_function=function,
            payload=sfn.TaskInput.from_object({**payload, "execution_id": sfn.JsonPath.execution_id}),
            payload_response_only=True,
            result_path="$.job",
            task_timeout=sfn.Timeout.duration(Duration.seconds(_ANSWER_SECONDS)),
            # The CDK's own has no jitter: runs that were started together would come back together.
            retry_on_service_exceptions=False,
        )
        return _until_answered(state, trouble)

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
                    "image": sfn.JsonPath.string_at("$.job.image.name"),
                    "code": sfn.JsonPath.object_at("$.job.code"),
                }
            ),
            payload_response_only=True,
            result_path="$.result",
            task_timeout=sfn.Timeout.duration(Duration.seconds(_ANSWER_SECONDS)),
            # The CDK's own has no jitter: runs that were started together would come back together.
            retry_on_service_exceptions=False,
        )
        return _until_answered(state, trouble)

    def _registration(self, group: str, image: str, task: str) -> sfn.CustomState:
        types = ["application/json"]
        return sfn.CustomState(
            self,
            "Register",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::aws-sdk:sagemaker:createModelPackage",
                "Parameters": {
                    "ModelPackageGroupName": group,
                    "ModelApprovalStatus": "PendingManualApproval",
                    "ModelPackageDescription.$": "States.Format('Trained by {}', $.result.training.job_name)",
                    "CustomerMetadataProperties.$": "$.result.metadata",
                    "InferenceSpecification": {
                        "Containers": [
                            {
                                "Image.$": image,
                                "ModelDataUrl.$": "$.result.training.model_data",
                                "Environment": {"HF_TASK": task, "HF_HUB_OFFLINE": "1"},
                            }
                        ],
                        "SupportedContentTypes": types,
                        "SupportedResponseMIMETypes": types,
                    },
                },
                "ResultPath": "$.registration",
                "TimeoutSeconds": _ANSWER_SECONDS,
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

    def _told(self, topic: sns.ITopic) -> Notification:
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
                "code.$": "$.job.code",
            },
        )
        # The model is registered: an unreachable topic must not turn that into a failure.
        return Notification(self, "Notify", topic=topic, subject="Training is done", message=message, next_state=output)

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
        return choice.when(cause_matches(*_SPOT_TROUBLE), on_demand).otherwise(trouble)


def _until_answered(state: tasks.LambdaInvoke, trouble: sfn.IChainable) -> tasks.LambdaInvoke:
    """Calls the function again when Lambda, and not the function, is the trouble."""
    state.add_retry(
        errors=[
            "Lambda.AWSLambdaException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.SdkClientException",
            "Lambda.ServiceException",
            "Lambda.TooManyRequestsException",
        ],
        interval=Duration.seconds(2),
        backoff_rate=2,
        max_attempts=6,
        max_delay=Duration.minutes(1),
        jitter_strategy=sfn.JitterType.FULL,
    )
    state.add_catch(trouble, result_path="$.failure")
    return state
