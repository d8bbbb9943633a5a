"""The states of a training run, and the ways between them."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from hf_sagemaker.concurrency_limit import ConcurrencyLimit, wait_for_turn
from hf_sagemaker.data_preparation import DataPreparation
from hf_sagemaker.git_source import CODE, BringCode, GitSource
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.job_task import JobInstances
from hf_sagemaker.model_registration import ModelRegistration
from hf_sagemaker.model_scoring import ModelScoring
from hf_sagemaker.pinned_images import PinnedImages
from hf_sagemaker.spot_trouble import why_spot_ended
from hf_sagemaker.state_input import FromInput
from hf_sagemaker.training_attempt import TrainingAttempt
from hf_sagemaker.training_failures import TrainingFailures
from hf_sagemaker.training_job_task import TrainingJobPlace, TrainingJobTask
from hf_sagemaker.tuning_states import TuningStates

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
        registry: Mapping[str, Any],
        training_images: Mapping[str, ImageByDigest],
        inference_image: ImageByDigest,
        task: str,
        git: GitSource | None = None,
        limit: ConcurrencyLimit | None = None,
        processing: JobInstances | None = None,
        processing_max_run: int = 3600,
    ) -> None:
        """Creates the states.

        git: brings the code of requests that have git_config. Omitted: there is none.
        limit: how many runs go on at a time; the others wait in `Validate`. Omitted: all.
        processing: on which the jobs before and after training run. Omitted: there are none, and `request_defaults`
            must say so. processing_max_run: seconds for each.

        training_images: those that a request may name. inference_image: of every model. The digests of the two that a
            run needs are read when it begins: what is built meanwhile is for the next one.
        request_defaults: what `validate` fills in where a request is silent.
        registry: what the environment decides of a registration, as `evaluate_model.registration.Rules` reads it.
        task: becomes HF_TASK of the registered model.
        """
        super().__init__(scope, construct_id)
        failures = TrainingFailures(self, "Failures")
        trouble = failures.caught
        evaluation = self._evaluation(evaluate, registry, trouble)
        passed = sfn.Choice(self, "GatePassed", state_name="GatePassed")
        evaluation.next(passed)
        registration = ModelRegistration(
            self,
            "Registration",
            group=model_package_group_name,
            image=PinnedImages.inference_uri,
            task=task,
            failed=trouble,
            approves="approve_at" in registry,
        )
        passed.when(sfn.Condition.boolean_equals("$.result.evaluation.passed", True), registration.start)
        passed.otherwise(failures.gate_failed("GateFailed"))

        checkpoints = request_defaults["checkpoints"]
        image = PinnedImages.training_uri
        scoring = None
        if processing:
            scoring = ModelScoring(
                self,
                "Scoring",
                place=place,
                image=image,
                instances=processing,
                max_run=processing_max_run,
                next_state=evaluation,
                failures=failures,
            )
        judged = [(scoring.wanted, scoring.start)] if scoring else []
        on_demand = TrainingJobTask(
            self,
            "TrainOnDemand",
            place=place,
            image=image,
            spot=False,
            checkpoints=checkpoints,
            retry_attempts=_RETRIES,
        )
        TrainingAttempt(self, "OnDemand", task=on_demand, instead=judged, trained=evaluation, failed=trouble)
        on_spot = TrainingJobTask(self, "TrainOnSpot", place=place, image=image, spot=True, retry_attempts=_RETRIES)
        why = why_spot_ended(self, "WhySpotEnded", instead="OnDemandInstead", on_demand=on_demand, trouble=trouble)
        TrainingAttempt(self, "Spot", task=on_spot, instead=judged, trained=evaluation, failed=why)
        tuning = TuningStates(
            self,
            "Tuning",
            place=place,
            image=image,
            checkpoints=checkpoints,
            retry_attempts=_RETRIES,
            instead=judged,
            trained=evaluation,
            failures=failures,
        )
        # Not what the state is given: after a redrive that holds more than the request.
        payload = {"request": sfn.JsonPath.object_at("$$.Execution.Input"), "defaults": request_defaults}
        refused = self._refused(trouble)
        way = sfn.Choice(self, "Way", state_name="Way")
        preparation = None
        if processing:
            preparation = DataPreparation(
                self,
                "Preparation",
                place=place,
                image=image,
                instances=processing,
                max_run=processing_max_run,
                next_state=way,
                failures=failures,
            )
        bring = None
        if git:
            whole = {**payload, "code": sfn.JsonPath.object_at(CODE)}
            again = self._validation("MakeJobOfCode", validate, whole, refused)
            again.next(way)
            bring = BringCode(self, "Git", source=git, trouble=trouble, then=again)
        self._ways(way, passed, evaluation, scoring, bring, preparation, tuning, on_spot, on_demand)
        images = PinnedImages(
            self,
            "Images",
            training=training_images,
            inference=inference_image,
            failures=failures,
            chosen="$.job.image",
            next_state=way,
        )
        turn = {"limit": limit.payload} if limit else {}
        self.start = self._validation("Validate", validate, {**payload, **turn}, refused)
        if limit:
            wait_for_turn(self.start, limit)
        self.start.next(images.start)
        # The images are read anew: one that was built since may be what mends the failure.
        failures.when_redriven(
            sfn.Choice(self, "WhereToGoOn", state_name="WhereToGoOn")
            .when(sfn.Condition.is_present("$.job"), images.start)
            .otherwise(self.start)
        )

    def _ways(
        self,
        way: sfn.Choice,
        passed: sfn.IChainable,
        evaluation: sfn.IChainable,
        scoring: ModelScoring | None,
        bring: BringCode | None,
        preparation: DataPreparation | None,
        tuning: TuningStates,
        on_spot: sfn.IChainable,
        on_demand: sfn.IChainable,
    ) -> None:
        """Behind what a redriven execution has done already; else to the kind of instances that the request wants, with
        its code."""
        trained = sfn.Condition.and_(
            sfn.Condition.is_present("$.training"),
            sfn.Condition.string_equals("$.training.TrainingJobStatus", "Completed"),
        )
        way.when(sfn.Condition.is_present("$.result"), passed)
        if scoring:
            way.when(scoring.done, scoring.scored).when(sfn.Condition.and_(trained, scoring.wanted), scoring.start)
        way.when(trained, evaluation).when(tuning.tuned, tuning.best)
        if bring:
            way.when(sfn.Condition.is_present("$.job.fetch_code"), bring.start)
        if preparation:
            way.when(preparation.wanted, preparation.start)
        way.when(tuning.wanted, tuning.start)
        way.when(sfn.Condition.boolean_equals("$.job.spot", True), on_spot).otherwise(on_demand)

    def _refused(self, trouble: sfn.IChainable) -> sfn.Pass:
        """Keeps nothing of a request that was not validated: what it holds could pass for what the states write."""
        state = sfn.Pass(self, "NotValidated", state_name="NotValidated", parameters={"failure.$": "$"})
        state.next(trouble)
        return state

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
        return _until_answered(state, trouble, error_path="$")

    def _evaluation(
        self, function: lambda_.IFunction, registry: Mapping[str, Any], trouble: sfn.IChainable
    ) -> tasks.LambdaInvoke:
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
                    "data": sfn.JsonPath.object_at("$.job.data"),
                    "request": sfn.JsonPath.object_at("$$.Execution.Input"),
                    "execution": sfn.JsonPath.execution_id,
                    "registry": registry,
                }
            ),
            payload_response_only=True,
            result_path="$.result",
            task_timeout=sfn.Timeout.duration(Duration.seconds(_ANSWER_SECONDS)),
            # The CDK's own has no jitter: runs that were started together would come back together.
            retry_on_service_exceptions=False,
        )
        return _until_answered(state, trouble)


def _until_answered(
    state: tasks.LambdaInvoke, trouble: sfn.IChainable, error_path: str = "$.failure"
) -> tasks.LambdaInvoke:
    """Calls the function again when Lambda, and not the function, is the trouble. error_path: where an error goes."""
    state.add_retry(
        errors=[
            "Lambda.AWSLambdaException",
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.SdkClientException",
            "Lambda.ServiceException",
            "Lambda.TooManyRequestsException",
            # Its time ran out, or its process was lost. Both functions only answer: they may be asked again.
            "Lambda.Unknown",
            "Sandbox.Timedout",
        ],
        interval=Duration.seconds(2),
        backoff_rate=2,
        max_attempts=6,
        max_delay=Duration.minutes(1),
        jitter_strategy=sfn.JitterType.FULL,
    )
    state.add_catch(trouble, result_path=error_path)
    return state
