"""Where moto's Step Functions interpreter is extended, and what each extension replaces."""

import logging
import uuid
from typing import Any

from moto.stepfunctions import models
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_factory import (
    state_task_service_for,
)
from moto.stepfunctions.parser.asl.component.state.fail import state_fail
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from localcloud.settings import LocalCloud
from localcloud.stepfunctions.sagemaker_task import SageMakerTask


class StepFunctionsBackend(StepFunctionsParserBackend):
    """Replaces moto's: an execution without a name gets one; moto calls it `None`, and refuses the second."""

    def start_execution(self, state_machine_arn: str, name: str | None = None, *arguments: Any, **more: Any) -> Any:
        return super().start_execution(state_machine_arn, name or str(uuid.uuid4()), *arguments, **more)


def install(cloud: LocalCloud) -> None:
    """cloud is not read: the interpreter calls services on the port that moto's settings name."""
    # Other parts of moto (EventBridge targets, tags) look machines up in the inert backends; there is one set here.
    backends: Any = stepfunctions_parser_backends
    backends.backend = StepFunctionsBackend
    machines: Any = models
    machines.stepfunctions_backends = stepfunctions_parser_backends
    _add_service("sagemaker", SageMakerTask)
    # `aws-sdk:sagemaker:…` fails with `SageMaker.…Exception`; moto takes the name from the ARN, in its small letters.
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES["sagemaker"] = "SageMaker"
    # A Fail state may pass on the `States.TaskFailed` that it was given by ErrorPath; moto refuses the prefix there.
    fail: Any = state_fail
    fail.CustomErrorName = ErrorName
    # It logs every failed state as an error of its own, with the whole syntax tree. The execution's history has it.
    if not logging.getLogger().isEnabledFor(logging.INFO):
        logging.getLogger("moto.stepfunctions.parser").setLevel(logging.CRITICAL)


def _add_service(name: str, task: type[Any]) -> None:
    """Replaces moto's answer `unsupported` for one service in the only place where the interpreter asks."""
    before = state_task_service_for

    def service_for(service_name: str) -> Any:
        return task() if service_name == name else before(service_name)

    factory: Any = state_task_factory
    factory.state_task_service_for = service_for
