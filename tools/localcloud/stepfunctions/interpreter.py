"""Where moto's Step Functions interpreter is extended, and what each extension replaces."""

import logging
import sys
import uuid
from typing import Any

from botocore.config import Config
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions import models
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSeconds
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_callback,
)
from moto.stepfunctions.parser.asl.component.state.fail import state_fail
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.responses import StepFunctionResponse

from localcloud import clients
from localcloud.settings import LocalCloud
from localcloud.stepfunctions import client_errors, parsed_once, redrive, status_events
from localcloud.stepfunctions.codebuild_task import CodeBuildTask
from localcloud.stepfunctions.sagemaker_task import SageMakerTask

# As moto's: a task's parameters are the service's to judge, and its retries are the state machine's.
CLIENT_CONFIG = Config(
    parameter_validation=False,
    retries={"total_max_attempts": 1},
    max_pool_connections=clients.MOST_CONNECTIONS,
    connect_timeout=TimeoutSeconds.DEFAULT_TIMEOUT_SECONDS,
    read_timeout=TimeoutSeconds.DEFAULT_TIMEOUT_SECONDS,
)


class StepFunctionsBackend(redrive.RedrivingBackend):
    """Replaces moto's: an execution without a name gets one; moto calls it `None`, and refuses the second."""

    def start_execution(self, state_machine_arn: str, name: str | None = None, *arguments: Any, **more: Any) -> Any:
        return super().start_execution(state_machine_arn, name or str(uuid.uuid4()), *arguments, **more)


def install(cloud: LocalCloud) -> None:
    # Other parts of moto (EventBridge targets, tags) look machines up in the inert backends; there is one set here.
    backends: Any = stepfunctions_parser_backends
    backends.backend = StepFunctionsBackend
    machines: Any = models
    machines.stepfunctions_backends = stepfunctions_parser_backends
    _add_service("sagemaker", SageMakerTask)
    _add_service("codebuild", CodeBuildTask)
    _call_as_the_role(cloud.endpoint_url)
    parsed_once.install()
    redrive.install()
    _fail_by_token()
    _spell_members()
    status_events.install()
    client_errors.install()
    # `aws-sdk:sagemaker:…` fails with `SageMaker.…Exception`; moto takes the name from the ARN, in its small letters.
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES |= {"sagemaker": "SageMaker", "ssm": "Ssm"}
    # A Fail state may pass on the `States.TaskFailed` that it was given by ErrorPath; moto refuses the prefix there.
    fail: Any = state_fail
    fail.CustomErrorName = ErrorName
    # It logs every failed state as an error of its own, with the whole syntax tree. The execution's history has it.
    if not logging.getLogger().isEnabledFor(logging.INFO):
        logging.getLogger("moto.stepfunctions.parser").setLevel(logging.CRITICAL)


def _add_service(name: str, task: type[Any]) -> None:
    """Replaces moto's answer `unsupported` for one service in the only place where the interpreter asks."""
    factory: Any = state_task_factory
    before = factory.state_task_service_for

    def service_for(service_name: str) -> Any:
        return task() if service_name == name else before(service_name)

    factory.state_task_service_for = service_for


def _fail_by_token() -> None:
    """Replaces moto's SendTaskFailure, which loses the cause, and refuses errors whose names begin with `States.`."""

    def send_task_failure(self: Any) -> ActionResult:
        given = [self._get_param(name) for name in ("taskToken", "error", "cause")]
        self.stepfunction_backend.send_task_failure(*given)
        return EmptyResult()

    responses: Any = StepFunctionResponse
    responses.send_task_failure = send_task_failure
    callback: Any = state_task_service_callback
    callback.CustomErrorName = ErrorName


def _spell_members() -> None:
    """Adds to `aws-sdk:…` that members are spelt with a capital, whatever the API says: Step Functions' are small."""
    service: Any = state_task_service_aws_sdk.StateTaskServiceAwsSdk
    before = service._eval_service_task

    def call(self: Any, *, normalised_parameters: dict[str, Any], **more: Any) -> None:
        if self.resource.api_name == "sfn":
            normalised_parameters = {f"{key[0].lower()}{key[1:]}": v for key, v in normalised_parameters.items()}
        before(self, normalised_parameters=normalised_parameters, **more)

    service._eval_service_task = call


def _call_as_the_role(endpoint_url: str) -> None:
    """Replaces moto's clients for tasks, which call as the default account: the role's account is the caller."""
    before = boto_client.boto_client_for

    def client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        account = state_credentials.role_arn.split(":")[4]
        return clients.client(endpoint_url, account, region, service, CLIENT_CONFIG)

    # Each service's module has imported it by name.
    for module in list(sys.modules.values()):
        if getattr(module, "boto_client_for", None) is before:
            module.boto_client_for = client_for  # type: ignore[attr-defined]
