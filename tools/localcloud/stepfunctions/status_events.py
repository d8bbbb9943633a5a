"""`Step Functions Execution Status Change`: the event of each execution that begins and ends, which moto does not send.

Shape: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

from datetime import datetime
from typing import Any

from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution

from localcloud import events

_REDRIVABLE = ("FAILED", "TIMED_OUT", "ABORTED")


def install() -> None:
    """Adds the events around the two places in which moto gives an execution a status."""
    execution: Any = Execution
    communication: Any = BaseExecutionWorkerCommunication
    start, terminated = execution.start, communication.terminated

    def started(self: Any) -> None:
        start(self)
        _emit(self)

    def ended(self: Any) -> None:
        terminated(self)
        _emit(self.execution)

    execution.start = started
    communication.terminated = ended


def _emit(execution: Any) -> None:
    described = execution.to_describe_output()
    # Express workflows send none.
    if execution.state_machine.sm_type == "EXPRESS":
        return
    status = described["status"].value
    included = {"included": True}
    detail = {
        "executionArn": described["executionArn"],
        "stateMachineArn": described["stateMachineArn"],
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "name": described["name"],
        "status": status,
        "startDate": _milliseconds(described["startDate"]),
        "stopDate": _milliseconds(described.get("stopDate")),
        "input": described["input"],
        "inputDetails": included,
        "output": described.get("output"),
        "outputDetails": included if "output" in described else None,
        "error": described.get("error"),
        "cause": described.get("cause"),
        "redriveCount": getattr(execution, "redrive_count", 0),
        "redriveDate": _milliseconds(getattr(execution, "redrive_date", None)),
        "redriveStatus": "REDRIVABLE" if status in _REDRIVABLE else "NOT_REDRIVABLE",
    }
    events.emit(described["executionArn"], "aws.states", "Step Functions Execution Status Change", detail)


def _milliseconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp() * 1000) if moment else None
