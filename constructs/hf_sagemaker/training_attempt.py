"""One attempt to train, or to run another job: a job, or the one that is there already under its name."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.job_task import JobTask
from hf_sagemaker.place import place_of

_LOOK_EVERY_SECONDS = 30
_ANSWER_SECONDS = 60


class TrainingAttempt(Construct):
    """The states around a `JobTask`: what follows its end, and what if its job exists already.

    CreateTrainingJob, or its like, may have made the job and the answer got lost; the retry then finds its name in use.
    A job's name holds a hash of the execution and the number of its redrives, so it is this attempt's own, and is
    waited for. No second one is paid for. Stopping the execution meanwhile does not stop such a job: only `.sync` does
    that.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        task: JobTask,
        trained: sfn.IChainable,
        failed: sfn.IChainable,
        instead: Sequence[tuple[sfn.Condition, sfn.IChainable]] = (),
    ) -> None:
        """Creates the states.

        construct_id: begins their names.
        task: runs the job, and leaves its description at its `result_path`.
        trained: follows a completed job. instead: follow it where a condition holds. Omitted: nothing does.
        failed: follows everything else, with {Error, Cause} at `$.failure`; the cause of a job that was stopped or
            failed is its description as JSON.
        """
        super().__init__(scope, construct_id)
        api, description = task.kind.api, task.result_path
        describe = describe_job(
            self, f"Describe{construct_id}Job", api=api, name=task.name.value.path, result_path=description
        )
        wait_name = f"WaitFor{construct_id}Job"
        wait = sfn.Wait(
            self, wait_name, state_name=wait_name, time=sfn.WaitTime.duration(Duration.seconds(_LOOK_EVERY_SECONDS))
        )
        ended_name = f"{construct_id}JobEnded"
        ended = sfn.Pass(
            self,
            ended_name,
            state_name=ended_name,
            parameters={"Error": f"{api}Ended", "Cause.$": f"States.JsonToString({description})"},
            result_path="$.failure",
        )
        ended.next(failed)
        status = f"{description}.{api}Status"
        completed = sfn.Condition.string_equals(status, "Completed")
        outcome_name = f"{construct_id}Outcome"
        # Stopped is an error of the task, or none: that is not promised. As its description it looks the same.
        outcome = sfn.Choice(self, outcome_name, state_name=outcome_name)
        for condition, state in instead:
            outcome.when(sfn.Condition.and_(completed, condition), state)
        outcome = (
            outcome.when(completed, trained)
            .when(
                sfn.Condition.or_(
                    sfn.Condition.string_equals(status, "InProgress"), sfn.Condition.string_equals(status, "Stopping")
                ),
                wait,
            )
            .otherwise(ended)
        )
        task.next(outcome)
        task.add_catch(describe, errors=["SageMaker.ResourceInUseException"], result_path="$.failure")
        task.add_catch(failed, result_path="$.failure")
        describe.next(outcome)
        describe.add_catch(failed, result_path="$.failure")
        wait.next(describe)


def describe_job(scope: Construct, construct_id: str, *, api: str, name: str, result_path: str) -> sfn.CustomState:
    """A state that asks SageMaker for a job's description, again while the service is the trouble.

    api: the kind of job, as in `describeTrainingJob`. name: the path of its name. result_path: where the answer goes.
    """
    return sfn.CustomState(
        scope,
        construct_id,
        state_json={
            "Type": "Task",
            "Resource": f"arn:{place_of(scope).partition}:states:::aws-sdk:sagemaker:describe{api}",
            "Parameters": {f"{api}Name.$": name},
            "ResultPath": result_path,
            "TimeoutSeconds": _ANSWER_SECONDS,
            "Retry": [
                {
                    "ErrorEquals": ["SageMaker.SageMakerException", "SageMaker.SdkClientException"],
                    "IntervalSeconds": 5,
                    "BackoffRate": 2,
                    "MaxAttempts": 6,
                    "MaxDelaySeconds": 120,
                    "JitterStrategy": "FULL",
                }
            ],
        },
    )
