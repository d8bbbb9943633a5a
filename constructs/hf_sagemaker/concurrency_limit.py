"""How many training runs of an environment go on at a time; the others wait their turn, the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.place import place_of

TOO_MANY_RUNS = "TooManyRuns"
"""The error with which `validate_training_request` says that it is not a run's turn."""
_LONGEST_PAUSE = 1800
"""Seconds."""
_GROWTH = 1.1
_LOOKS = 99


@dataclass(frozen=True, kw_only=True)
class ConcurrencyLimit:
    """runs: as many go on at a time, over all machines that the parameter of that name lists.

    first_pause: seconds between the first two looks whether it is a run's turn, at most; each pause may be a tenth
        longer than the one before, up to half an hour. Omitted: 60, with which a run waits for 18 hours on average.
    """

    runs: int
    machines_parameter: str
    first_pause: int = 60

    @property
    def payload(self) -> dict[str, Any]:
        """As `validate_training_request.concurrency.wait_for_turn` reads it."""
        return {
            "runs": self.runs,
            "machines": self.machines_parameter,
            "started": sfn.JsonPath.execution_start_time,
        }

    @property
    def longest(self) -> Duration:
        """As long as a run waits at most, and what the looks themselves take."""
        pauses = sum(min(self.first_pause * _GROWTH**look, _LONGEST_PAUSE) for look in range(_LOOKS))
        return Duration.seconds(round(pauses)).plus(Duration.hours(1))


def wait_for_turn(state: tasks.LambdaInvoke, limit: ConcurrencyLimit) -> None:
    """Calls the function of a state again until it is the run's turn: no state more for a run that need not wait."""
    state.add_retry(
        errors=[TOO_MANY_RUNS],
        interval=Duration.seconds(limit.first_pause),
        backoff_rate=_GROWTH,
        max_attempts=_LOOKS,
        max_delay=Duration.seconds(_LONGEST_PAUSE),
        # Whose turn it is does not depend on who asks first.
        jitter_strategy=sfn.JitterType.FULL,
    )


class LimitedRuns(Construct):
    """The list of the machines whose runs count, and what lets their functions count them.

    Apart from the machines: each would have to be there before the others' functions, and so before itself.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        limit: ConcurrencyLimit,
        machines: Sequence[tuple[sfn.StateMachine, iam.IRole]],
    ) -> None:
        """machines: each with the role of the function that validates its requests."""
        super().__init__(scope, construct_id)
        arns = [machine.state_machine_arn for machine, _ in machines]
        ssm.CfnParameter(
            self,
            "Machines",
            name=limit.machines_parameter,
            type="String",
            value=",".join(arns),
            description="State machines whose runs training.max_concurrent_runs counts together",
        )
        parameter = place_of(self).arn("ssm", f"parameter{limit.machines_parameter}")
        for index, (_, role) in enumerate(machines):
            allow.DutyPolicy(
                self,
                f"CountPolicy{index}",
                role=role,
                permissions=[
                    allow.allow(["ssm:GetParameter"], parameter),
                    allow.allow(["states:ListExecutions"], *arns),
                ],
            )
