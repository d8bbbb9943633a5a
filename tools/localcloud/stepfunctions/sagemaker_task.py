"""`arn:aws:states:::sagemaker:…` in the interpreter: request and response, and `.sync` for jobs."""

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.utils import camel_to_snake_case

# API actions of the optimised integration, as its page of the Step Functions guide lists them.
ACTIONS = {
    "createendpoint",
    "createendpointconfig",
    "createhyperparametertuningjob",
    "createlabelingjob",
    "createmodel",
    "createprocessingjob",
    "createtrainingjob",
    "createtransformjob",
    "updateendpoint",
}
# What waits with `.sync`, and what the API calls such a job.
JOBS = {
    "createhyperparametertuningjob": "HyperParameterTuningJob",
    "createprocessingjob": "ProcessingJob",
    "createtrainingjob": "TrainingJob",
    "createtransformjob": "TransformJob",
}
FAILED = ("Failed", "Stopped")
PATTERNS: Any = {ResourceCondition.Sync, ResourceCondition.WaitForTaskToken}


class SageMakerTask(StateTaskServiceCallback):
    """One task state that calls SageMaker. Replaces moto's `StateTaskServiceUnsupported` for this service."""

    service_name = "SageMaker"
    service_in_words = "AmazonSageMaker"

    def __init__(self) -> None:
        # moto takes for granted that a service with `.sync` can also wait for a task token.
        super().__init__(supported_integration_patterns=PATTERNS)
        self._stop: Callable[[], object] | None = None

    def _get_supported_parameters(self) -> set[str] | None:
        """None makes the interpreter refuse the definition: an unknown action, or `.sync` where there is none."""
        action = self.resource.api_action.lower()
        if action not in ACTIONS:
            return None
        if self.resource.condition == ResourceCondition.Sync and action not in JOBS:
            return None
        return set() if self.resource.condition in (None, ResourceCondition.Sync) else None

    def _eval_service_task(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: dict[str, Any],
        state_credentials: Any,
    ) -> None:
        client: Any = boto_client_for(
            service="sagemaker", region=resource_runtime_part.region, state_credentials=state_credentials
        )
        response = getattr(client, self._get_boto_service_action())(**normalised_parameters)
        response.pop("ResponseMetadata", None)
        env.stack.append(response)

    def _build_sync_resolver(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: dict[str, Any],
        state_credentials: Any,
    ) -> Callable[[], dict[str, Any] | None]:
        """A function that answers the finished job, None while it runs, and raises when it failed or was stopped."""
        env.stack.pop()
        client: Any = boto_client_for(
            service="sagemaker", region=resource_runtime_part.region, state_credentials=state_credentials
        )
        api = JOBS[self.resource.api_action.lower()]
        name = {f"{api}Name": normalised_parameters[f"{api}Name"]}
        describe = getattr(client, camel_to_snake_case(f"Describe{api}"))
        self._stop = lambda: getattr(client, camel_to_snake_case(f"Stop{api}"))(**name)

        def finished() -> dict[str, Any] | None:
            job = describe(**name)
            job.pop("ResponseMetadata", None)
            status = job[f"{api}Status"]
            if status == "Completed":
                completed: dict[str, Any] = as_json(job)
                return completed
            if status in FAILED:
                raise self.failed(env, as_json(job))
            return None

        return finished

    def _eval_sync(self, env: Any, *args: Any, **kwargs: Any) -> Any:
        outcome = super()._eval_sync(env, *args, **kwargs)
        if outcome is None and self._stop is not None:
            # The execution was stopped or the state timed out. As on AWS, the job must not go on alone.
            with contextlib.suppress(ClientError):
                self._stop()
        return outcome

    def failed(self, env: Any, job: dict[str, Any]) -> FailureEventException:
        """A job that was started and did not end well; its description is the cause."""
        name = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
        return FailureEventException(self._failure(env, name, "States.TaskFailed", to_json_str(job)))

    def _from_error(self, env: Any, ex: Exception) -> FailureEvent:
        if isinstance(ex, HTTPClientError):
            error = f"{self.service_name}.SdkClientException"
            return self._failure(env, CustomErrorName(error), error, f"Unable to execute HTTP request: {ex}")
        if not isinstance(ex, ClientError):
            return super()._from_error(env=env, ex=ex)
        code, metadata = ex.response["Error"]["Code"], ex.response["ResponseMetadata"]
        error = f"{self.service_name}.{self._exception_name(code)}"
        cause = (
            f"{ex.response['Error'].get('Message')} (Service: {self.service_in_words}; "
            f"Status Code: {metadata.get('HTTPStatusCode')}; Error Code: {code}; "
            f"Request ID: {metadata.get('RequestId')}; Proxy: null)"
        )
        return self._failure(env, CustomErrorName(error), error, cause)

    def _exception_name(self, code: str) -> str:
        """SageMaker's own errors have an exception each; all others are the service's general one."""
        if code in ("ConflictException", "ResourceInUse", "ResourceLimitExceeded", "ResourceNotFound"):
            return code if code.endswith("Exception") else f"{code}Exception"
        return "AmazonSageMakerException"

    def _failure(self, env: Any, name: Any, error: str, cause: str) -> FailureEvent:
        details: Any = {
            "taskFailedEventDetails": TaskFailedEventDetails(
                resource=self._get_sfn_resource(),
                resourceType=self._get_sfn_resource_type(),
                error=error,
                cause=cause,
            )
        }
        return FailureEvent(env=env, error_name=name, event_type=HistoryEventType.TaskFailed, event_details=details)


def as_json(value: Any) -> Any:
    """The description as Step Functions passes it on: times as milliseconds since 1970."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value
