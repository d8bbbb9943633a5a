"""RedriveExecution: an execution that did not succeed goes on in the state in which it ended, with what that was given.

moto has none. As on AWS: the history goes on where it stopped, `$$.Execution.RedriveCount` counts, a `Fail` state fails
again, and retries begin anew. Parallel and Map states, of which only what failed runs again, are refused.
"""

import json
from datetime import UTC, datetime
from threading import Thread
from typing import Any

from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

_UNSUCCESSFUL = (ExecutionStatus.FAILED, ExecutionStatus.ABORTED, ExecutionStatus.TIMED_OUT)
_SEVERAL_AT_ONCE = ("MapStateEntered", "ParallelStateEntered")


class ExecutionNotRedrivableError(AWSError):
    """The execution succeeded, runs, or cannot be redriven here."""

    TYPE = "ExecutionNotRedrivable"


class RedrivingBackend(StepFunctionsParserBackend):
    """Replaces moto's: executions can be redriven."""

    def redrive_execution(self, execution_arn: str) -> datetime:
        """Let it go on; returns when that was."""
        execution: Any = self.describe_execution(execution_arn)
        if execution.exec_status not in _UNSUCCESSFUL:
            raise ExecutionNotRedrivableError(f"Execution is {execution.exec_status}, and so cannot be redriven.")
        _go_on(execution)
        return execution.redrive_date  # type: ignore[no-any-return]


class _RedrivenWorker(ExecutionWorker):
    """Goes on with an execution: in the state that was entered last."""

    def __init__(self, before: ExecutionWorker, execution: Any) -> None:
        super().__init__(
            evaluation_details=before._evaluation_details,
            exec_comm=before._execution_communication,
            cloud_watch_logging_session=before._cloud_watch_logging_session,
            activity_store=before._activity_store,
        )
        made: Any = self._get_evaluation_environment()
        made.event_manager = before.env.event_manager  # type: ignore[union-attr]
        events = made.event_manager.get_event_history()
        entered = [event for event in events if "stateEnteredEventDetails" in event]
        if not entered or any(event["type"] in _SEVERAL_AT_ONCE for event in entered):
            raise ExecutionNotRedrivableError("Only executions whose states follow each other are redriven here.")
        self._state = entered[-1]["stateEnteredEventDetails"]
        made.event_history_context = EventHistoryContext(previous_event_id=events[-1]["id"])
        made.states.context_object.context_object_data["Execution"]["RedriveCount"] = execution.redrive_count
        made.states.reset(json.loads(self._state["input"]))
        made.event_manager.add_event(
            context=made.event_history_context,
            event_type=HistoryEventType.ExecutionRedriven,
            event_details={"executionRedrivenEventDetails": {"redriveCount": execution.redrive_count}},
        )
        self.env = made

    def start(self) -> None:
        Thread(target=self._execution_logic, daemon=True).start()

    def _execution_logic(self) -> None:
        program: Any = self._get_evaluation_entrypoint()
        program.start_at = StartAt(self._state["name"])
        program.eval(self.env)
        self._execution_communication.terminated()


def _go_on(execution: Any) -> None:
    execution.redrive_count = getattr(execution, "redrive_count", 0) + 1
    try:
        worker = _RedrivenWorker(execution.exec_worker, execution)
    except ExecutionNotRedrivableError:
        execution.redrive_count -= 1
        raise
    execution.redrive_date = datetime.now(tz=UTC)
    execution.exec_worker = worker
    execution.exec_status = ExecutionStatus.RUNNING
    execution.stop_date = execution.error = execution.cause = None
    worker.start()


def install() -> None:
    """Adds the API's action, what DescribeExecution says of redrives, and their count in the context object."""
    responses: Any = StepFunctionResponse
    describe = responses.describe_execution

    def redrive_execution(self: Any) -> ActionResult:
        return ActionResult(
            {"redriveDate": self.stepfunction_backend.redrive_execution(self._get_param("executionArn"))}
        )

    def describe_execution(self: Any) -> ActionResult:
        described: dict[str, Any] = describe(self).result
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        described["redriveCount"] = getattr(execution, "redrive_count", 0)
        described["redriveStatus"] = "REDRIVABLE" if execution.exec_status in _UNSUCCESSFUL else "NOT_REDRIVABLE"
        if described["redriveCount"]:
            described["redriveDate"] = execution.redrive_date
        return ActionResult(described)

    responses.redrive_execution, responses.describe_execution = redrive_execution, describe_execution
    worker: Any = ExecutionWorker
    before = worker._get_evaluation_environment

    def environment(self: Any) -> Any:
        made = before(self)
        made.states.context_object.context_object_data["Execution"]["RedriveCount"] = 0
        return made

    worker._get_evaluation_environment = environment
