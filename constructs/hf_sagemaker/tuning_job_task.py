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
        tuning: Tuning,
        spot: bool,
        job: TrainingJob | None = None,
        name: JobName | None = None,
        instances: JobInstances | FromInput | None = None,
        checkpoints: bool = True,
        retry_attempts: int | None = None,
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
        tuning: what is searched, how, and for what.
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
                *tuning.problems(
                    hyperparameters=[] if isinstance(what.hyperparameters, FromInput) else list(what.hyperparameters),
                    metrics=None if isinstance(what.metric_definitions, FromInput) else list(what.metric_definitions),
                ),
            ],
        )
        super().__init__(
            scope,
            construct_id,
            kind=TUNING,
            name=name or JobName.of_execution(),
            request={
                "HyperParameterTuningJobConfig": tuning.config,
                "TrainingJobDefinition": {
                    "StaticHyperParameters": what.hyper_parameters,
                    "InputDataConfig": what.input_data,
                    "ResourceConfig": resources(where, place, keep_alive_period_in_seconds),
                    "Environment": what.environment or None,
                    **_attempts(what, spot, checkpoints, retry_attempts),
                    **job_of_place(place, algorithm(image, what)),
                },
                "WarmStartConfig": tuning.warm_start_config,
                "Tags": tags(what.tags),
            },
            result_path=result_path,
            role=place.role,
            key=place.key,
        )


def _attempts(job: TrainingJob, spot: bool, checkpoints: bool, retries: int | None) -> Mapping[str, Any]:
    return {
        "EnableManagedSpotTraining": spot,
        "StoppingCondition": job.stopping(spot=spot),
        "CheckpointConfig": job.checkpoints if checkpoints else None,
        "RetryStrategy": {"MaximumRetryAttempts": retries} if retries else None,
    }
