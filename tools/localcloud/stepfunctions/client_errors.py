"""The names of errors that a call itself has: a service that refuses it, or does not answer.

Replaces in moto's interpreter: every error of Lambda's API is an `Exception` there, and a connection that ends is a
`States.TaskFailed`. Names: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from moto.stepfunctions.parser.api import HistoryEventType, LambdaFunctionFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_lambda
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk

_NO_ANSWER = "SdkClientException"


def install() -> None:
    """Extends the tasks that call a function by its ARN, and `aws-sdk:…`."""
    function: Any = state_task_lambda.StateTaskLambda
    of_functions = function._from_error

    def from_lambda(self: Any, env: Any, ex: Exception) -> FailureEvent:
        if isinstance(ex, ClientError):
            name, cause = _lambda_name(ex), f"{ex.response['Error'].get('Message')} (Service: AWSLambda)"
        elif isinstance(ex, HTTPClientError):
            name, cause = _NO_ANSWER, _no_answer(ex)
        else:
            made: FailureEvent = of_functions(self, env, ex)
            return made
        error = f"Lambda.{name}"
        details: Any = {"lambdaFunctionFailedEventDetails": LambdaFunctionFailedEventDetails(error=error, cause=cause)}
        return FailureEvent(
            env=env,
            error_name=CustomErrorName(error),
            event_type=HistoryEventType.LambdaFunctionFailed,
            event_details=details,
        )

    function._from_error = from_lambda
    sdk: Any = state_task_service_aws_sdk.StateTaskServiceAwsSdk
    of_sdk = sdk._from_error

    def from_sdk(self: Any, env: Any, ex: Exception) -> FailureEvent:
        if not isinstance(ex, HTTPClientError):
            made: FailureEvent = of_sdk(self, env, ex)
            return made
        service = self._normalise_service_error_name(self.resource.api_name)
        failed: FailureEvent = self._get_task_failure_event(env, f"{service}.{_NO_ANSWER}", _no_answer(ex))
        return failed

    sdk._from_error = from_sdk


def _lambda_name(ex: ClientError) -> str:
    """Lambda's own errors have an exception each; all others are the service's general one."""
    code = str(ex.response["Error"]["Code"])
    return code if code.endswith("Exception") else "AWSLambdaException"


def _no_answer(ex: Exception) -> str:
    return f"Unable to execute HTTP request: {ex}"
