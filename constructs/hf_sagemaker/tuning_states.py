"""A run that searches for hyperparameters as states: a tuning job, and its best child as the run's own job."""

from collections.abc import Sequence

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.job_kinds import TUNING, tuning_prefix
from hf_sagemaker.job_task import TO_START_AND_END, JobName
from hf_sagemaker.spot_trouble import why_spot_ended
from hf_sagemaker.state_input import FromInput
from hf_sagemaker.training_attempt import TrainingAttempt, describe_job
from hf_sagemaker.training_failures import TrainingFailures
from hf_sagemaker.training_job_task import TrainingJobPlace
from hf_sagemaker.tuning_job_task import TuningJobTask

TUNING_TIMEOUT = TUNING.longest_run + TO_START_AND_END
"""Seconds: the longest tuning job that SageMaker runs, and an hour to start and end."""
_TUNING = "$.job.tuning"
_WARM_START = f"{_TUNING}.warm_start_config"
_BEST = "$.tuning.BestTrainingJob.TrainingJobName"


class TuningStates(Construct):
    """The states of a tuning job whose configuration lies at `$.job.tuning`; its description comes to `$.tuning`.

    start: runs it, on spot or on demand. best: brings the description of the best child to `$.training`.
    """

    wanted = sfn.Condition.is_present(_TUNING)
    """Whether a run searches."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        place: TrainingJobPlace,
        image: str,
        checkpoints: bool,
        retry_attempts: FromInput,
        trained: sfn.IChainable,
        failures: TrainingFailures,
        instead: Sequence[tuple[sfn.Condition, sfn.IChainable]] = (),
    ) -> None:
        """Creates the states.

        place, image, retry_attempts: of each child, as `TuningJobTask` takes them. checkpoints: of children on demand.
        trained: follows the description of the best child. instead: follow it where a condition holds.
        """
        super().__init__(scope, construct_id)
        self._failures = failures
        after = sfn.Choice(self, "BestOutcome", state_name="BestOutcome").otherwise(trained)
        for condition, state in instead:
            after.when(condition, state)
        self.best = self._best(after if instead else trained)
        self.start = sfn.Choice(self, "HowToTune", state_name="HowToTune")
        why = why_spot_ended(
            self,
            "WhyTuningOnSpotEnded",
            instead="TuneOnDemandInstead",
            on_demand=self.start,
            trouble=failures.caught,
        )
        nothing = self._nothing_came_of_it()
        for warm in (True, False):
            for spot in (True, False):
                kind = f"{'Warm' if warm else ''}{'Spot' if spot else 'OnDemand'}"
                task = TuningJobTask(
                    self,
                    f"Tune{'Warm' if warm else ''}On{'Spot' if spot else 'Demand'}",
                    place=place,
                    image=image,
                    tuning=FromInput(_TUNING),
                    warm_start=warm,
                    spot=spot,
                    # A state cannot leave out what its input lacks, and each attempt is a job with a name of its own.
                    name=JobName.numbered(f"{_TUNING}.names.{_name_of(warm, spot)}", pattern="*"),
                    checkpoints=spot or checkpoints,
                    retry_attempts=retry_attempts,
                )
                TrainingAttempt(
                    self,
                    f"Tuning{kind}",
                    task=task,
                    instead=[(sfn.Condition.is_present(_BEST), self.best)],
                    trained=nothing,
                    failed=why if spot else failures.caught,
                )
                self._add_way(task, warm, spot)

    tuned = sfn.Condition.and_(
        sfn.Condition.is_present("$.tuning"),
        sfn.Condition.string_equals("$.tuning.HyperParameterTuningJobStatus", "Completed"),
        sfn.Condition.is_present(_BEST),
    )
    """Whether a run, which may have been redriven, has a best child."""

    def _add_way(self, task: TuningJobTask, warm: bool, spot: bool) -> None:
        on_spot = sfn.Condition.boolean_equals("$.job.spot", True)
        has_parents = sfn.Condition.is_present(_WARM_START)
        if warm:
            self.start.when(sfn.Condition.and_(has_parents, on_spot) if spot else has_parents, task)
        elif spot:
            self.start.when(on_spot, task)
        else:
            self.start.otherwise(task)

    def _best(self, trained: sfn.IChainable) -> sfn.CustomState:
        state = describe_job(self, "DescribeBest", api="TrainingJob", name=_BEST, result_path="$.training")
        state.add_catch(self._failures.caught, result_path="$.failure")
        state.next(trained)
        return state

    def _nothing_came_of_it(self) -> sfn.Pass:
        return self._failures.explain(
            "NoTrainingJobCompleted",
            sfn.JsonPath.format(
                "Tuning job {} has ended, and none of its training jobs reported the objective. See that the script "
                "prints a line that the regular expression of objective_metric_name matches, mend it or the ranges, "
                "and start again.",
                sfn.JsonPath.string_at("$.tuning.HyperParameterTuningJobName"),
            ),
            error="NoTrainingJobCompleted",
        )


def _name_of(warm: bool, spot: bool) -> str:
    """As `validate_training_request.tuning` calls it."""
    return ("warm_" if warm else "") + ("spot" if spot else "on_demand")


def tune(scope: Construct, environment: str) -> list[allow.Permission]:
    """What the state machine's role needs for `TuningStates`, besides what training jobs need.

    It starts no children, SageMaker does, and describes the best one: its name begins with the tuning job's.
    """
    prefix = tuning_prefix(environment)
    found = [allow.run_jobs(scope, TUNING, f"{prefix}-*")]
    if prefix != environment:
        found.append(
            allow.allow(
                ["sagemaker:DescribeTrainingJob"],
                allow.sagemaker_arn(scope, f"training-job/{prefix}-*"),
                why_wildcards="The children of tuning jobs, whose names SageMaker makes.",
            )
        )
    return found
