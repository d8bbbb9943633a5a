"""The end of an execution that failed, from which a redrive goes on.

A `Fail` state that is redriven is entered again, and fails again: an execution whose errors were caught and led there
can never be redriven. A task that failed is run again. So this end is a task, and fails by itself: it hands in its own
token with the error and the cause that people are to read. When it runs again, after a redrive, the error that it
hands in is another one, which is caught.
"""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.place import place_of

OUTCOME = "$.outcome"
"""Where the failure lies: {Error, Cause, Redrives}, the last of which is `REDRIVES` when it happened."""
REDRIVES = "$$.Execution.RedriveCount"
_REDRIVEN = "Redriven"
_TO_FAIL_SECONDS = 60
_SEVERAL = f"States.MathAdd(States.ArrayLength(States.ArrayUnique(States.Array({OUTCOME}.Redrives, {REDRIVES}))), -1)"
"""0 when the execution was not redriven since the failure, 1 when it was: there is no other comparison."""


class RedrivableFailure(sfn.CustomState):
    """Fails the execution with what lies at `OUTCOME`."""

    def __init__(self, scope: Construct, name: str) -> None:
        """Creates the state. name: of the state."""
        super().__init__(
            scope,
            name,
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(scope).partition}:states:::aws-sdk:sfn:sendTaskFailure.waitForTaskToken",
                "Parameters": {
                    "TaskToken.$": "$$.Task.Token",
                    "Error.$": f"States.ArrayGetItem(States.Array({OUTCOME}.Error, '{_REDRIVEN}'), {_SEVERAL})",
                    "Cause.$": f"{OUTCOME}.Cause",
                },
                "ResultPath": "$.failed",
                "TimeoutSeconds": _TO_FAIL_SECONDS,
                "Retry": [
                    {
                        "ErrorEquals": ["Sfn.SdkClientException", "Sfn.SfnException"],
                        "IntervalSeconds": 2,
                        "BackoffRate": 2,
                        "MaxAttempts": 4,
                        "MaxDelaySeconds": 30,
                        "JitterStrategy": "FULL",
                    }
                ],
            },
        )

    def when_redriven(self, next_state: sfn.IChainable) -> None:
        """Where a redrive goes on. To be called once."""
        self.add_catch(next_state, errors=[_REDRIVEN], result_path=sfn.JsonPath.DISCARD)
