"""`sagemaker:createHyperParameterTuningJob.sync` as a state: many training jobs, and which of them was best."""

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from hf_sagemaker.job_kinds import TUNING
from hf_sagemaker.job_task import JobInstances, JobName, JobTask, refuse, tags
from hf_sagemaker.state_input import FromInput, Text
from hf_sagemaker.training_job import TrainingJob
from hf_sagemaker.training_job_task import TrainingJobPlace, algorithm, job_of_place, resources
from hf_sagemaker.tuning import Tuning


class TuningJobTask(JobTask):
    """One tuning job; the state ends when its last child has, with the tuning job's description at `result_path`.

    `BestTrainingJob.TrainingJobName` in it names the best child; what that has trained lies where a single job's model
    does. Children's names begin with its own.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        place: TrainingJobPlace,
        image: Text,
        tuning: Tuning | FromInput,
        spot: bool,
        warm_start: bool = False,
        job: TrainingJob | None = None,
        name: JobName | None = None,
        instances: JobInstances | FromInput | None = None,
        checkpoints: bool = True,
        retry_attempts: int | FromInput | None = None,
        keep_alive_period_in_seconds: int | None = None,
        result_path: str = "$.tuning",
    ) -> None:
        """Creates the state.

        place, image, spot, instances, checkpoints, retry_attempts, keep_alive_period_in_seconds: of each child, as
            `TrainingJobTask` takes them. A child starts with the image's own entry point: the API takes no other.
        job: what children have in common. Its `checkpoint_s3_uri` is given to all of them as it is, so a script must
            keep its own in a folder of its job's name (`TRAINING_JOB_NAME`), or it goes on from another child's.
            Omitted: `TrainingJob.from_input()`.
        name: at most 32 characters. Omitted: the hash of the execution.
        tuning: what is searched, how, and for what; or the path at which `config` lies, the whole
            HyperParameterTuningJobConfig, as `lambda/validate_training_request` makes it.
        warm_start: there is a `warm_start_config` beside such a `config`: a state cannot leave out what its input
            lacks. Omitted: no. Only with a path: a `Tuning` says it itself.
        result_path: Omitted: `$.tuning`.

        Raises InvalidJobError with everything that SageMaker would refuse.
        """
        what = job or TrainingJob.from_input()
        where = instances or FromInput("$.job.resources")
        refuse(
            f"The tuning job {construct_id}",
            [
                *what.problems(
                    spot=spot, checkpoints=checkpoints, keep_alive=keep_alive_period_in_seconds, retries=retry_attempts
                ),
                *(where.problems("training") if isinstance(where, JobInstances) else []),
                *_search_problems(tuning, what, warm_start),
            ],
        )
        config, parents = _search(tuning, warm_start)
        super().__init__(
            scope,
            construct_id,
            kind=TUNING,
            name=name or JobName.of_execution(),
            request={
                "HyperParameterTuningJobConfig": config,
                "TrainingJobDefinition": {
                    "StaticHyperParameters": what.hyper_parameters,
                    "InputDataConfig": what.input_data,
                    "ResourceConfig": resources(where, place, keep_alive_period_in_seconds),
                    "Environment": what.environment or None,
                    **_attempts(what, spot, checkpoints, retry_attempts),
                    **job_of_place(place, algorithm(image, what)),
                },
                "WarmStartConfig": parents,
                "Tags": tags(what.tags),
            },
            result_path=result_path,
            role=place.role,
            key=place.key,
        )


def _search(
    tuning: Tuning | FromInput, warm_start: bool
) -> tuple[Mapping[str, Any] | FromInput, Mapping[str, Any] | FromInput | None]:
    """`HyperParameterTuningJobConfig` and `WarmStartConfig`."""
    if isinstance(tuning, Tuning):
        return tuning.config, tuning.warm_start_config
    return FromInput(f"{tuning.path}.config"), FromInput(f"{tuning.path}.warm_start_config") if warm_start else None


def _search_problems(tuning: Tuning | FromInput, job: TrainingJob, warm_start: bool) -> list[str]:
    if isinstance(tuning, FromInput):
        return []
    return [
        *tuning.problems(
            hyperparameters=[] if isinstance(job.hyperparameters, FromInput) else list(job.hyperparameters),
            metrics=None if isinstance(job.metric_definitions, FromInput) else list(job.metric_definitions),
        ),
        *(["warm_start is for a search that is read from the input: a Tuning says its own"] if warm_start else []),
    ]


def _attempts(job: TrainingJob, spot: bool, checkpoints: bool, retries: int | FromInput | None) -> Mapping[str, Any]:
    return {
        "EnableManagedSpotTraining": spot,
        "StoppingCondition": job.stopping(spot=spot),
        "CheckpointConfig": job.checkpoints if checkpoints else None,
        "RetryStrategy": {"MaximumRetryAttempts": retries} if retries else None,
    }
