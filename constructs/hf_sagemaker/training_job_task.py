"""`sagemaker:createTrainingJob.sync` as a state: what CDK's own task cannot say.

What decides access (role, network, keys) is constant here, and the image is what a state before has read or what is
known at synth; what a run decides comes from the state's input, or is given as a `TrainingJob`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker.job_kinds import TRAINING
from hf_sagemaker.job_task import TO_START_AND_END, JobInstances, JobName, JobPlace, JobTask, refuse, tags
from hf_sagemaker.state_input import FromInput, Text
from hf_sagemaker.training_job import CHECKPOINT_PATH, TrainingJob

__all__ = ["CHECKPOINT_PATH", "TIMEOUT", "TrainingJobPlace", "TrainingJobTask"]

TIMEOUT = TRAINING.longest_run + TO_START_AND_END
"""Seconds: the longest job that SageMaker runs, waiting for spot instances included, and an hour to start and end."""


@dataclass(frozen=True, kw_only=True)
class TrainingJobPlace(JobPlace):
    """Where a training job runs, whom it acts as, and where its model goes: what no training request can change.

    models_bucket, prefix: the model goes to `s3://<bucket>/<prefix><job name>/output/model.tar.gz`.
    """

    models_bucket: s3.IBucket
    prefix: str

    @property
    def output(self) -> dict[str, Any]:
        """`OutputDataConfig`."""
        return {
            "S3OutputPath": self.models_bucket.s3_url_for_object(self.prefix.rstrip("/")),
            "KmsKeyId": self.key.key_arn,
        }


class TrainingJobTask(JobTask):
    """One training job; the state ends when the job does, with its description at `result_path`.

    A job that was stopped has `TrainingJobStatus` `Stopped`: let a Choice look at it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        place: TrainingJobPlace,
        image: Text,
        spot: bool,
        checkpoints: bool = True,
        job: TrainingJob | None = None,
        name: JobName | None = None,
        instances: JobInstances | FromInput | None = None,
        entry_point: Sequence[str] = (),
        arguments: Sequence[Text] = (),
        retry_attempts: int | FromInput | None = None,
        keep_alive_period_in_seconds: int | None = None,
        session_tag_chaining: bool = False,
        result_path: str = "$.training",
    ) -> None:
        """Creates the state.

        image: what the job runs; a text that begins with `$` is the path at which a state before has left it.
        spot: train on managed spot instances, waiting at most the job's max_wait. On demand it takes the same
            checkpoints, so it goes on where spot stopped.
        checkpoints: bring them from S3 and keep them there. Omitted: yes, where the job says where.
        job: Omitted: `TrainingJob.from_input()`, what `lambda/validate_training_request` answers, at `$.job`.
        name: Omitted: read from `$.job.spot_job_name` or `$.job.on_demand_job_name`, with the number of redrives.
        instances: Omitted: read from `$.job.resources`.
        entry_point, arguments: instead of the image's own. Omitted: the image's.
        retry_attempts: how often SageMaker itself starts the job again after an error of its own, 1 to 30.
            Omitted: never.
        keep_alive_period_in_seconds: how long its instances wait for another job like it, at most 21600, and are paid
            for. Not on spot, and not with instances from the input, which say that themselves. Omitted: not at all.
        session_tag_chaining: the job's role gets the session tags of whoever creates the job. Its trust policy must
            allow `sts:TagSession`. Step Functions sets no tags of its own: this is for state machines whose role is
            assumed by others too. Omitted: no.
        result_path: Omitted: `$.training`.

        Raises InvalidJobError with everything that SageMaker would refuse.
        """
        what = job or TrainingJob.from_input()
        where = instances or FromInput("$.job.resources")
        refuse(
            f"The training job {construct_id}",
            [
                *what.problems(
                    spot=spot, checkpoints=checkpoints, keep_alive=keep_alive_period_in_seconds, retries=retry_attempts
                ),
                *(where.problems("training") if isinstance(where, JobInstances) else []),
                "keep_alive_period_in_seconds needs instances that are given here: those of the input say it themselves"
                if keep_alive_period_in_seconds and isinstance(where, FromInput)
                else None,
            ],
        )
        super().__init__(
            scope,
            construct_id,
            kind=TRAINING,
            name=name or JobName.numbered("$.job.spot_job_name" if spot else "$.job.on_demand_job_name", pattern="*"),
            request={
                "EnableManagedSpotTraining": spot,
                "StoppingCondition": what.stopping(spot=spot),
                "HyperParameters": what.hyper_parameters,
                "InputDataConfig": what.input_data,
                "ResourceConfig": resources(where, place, keep_alive_period_in_seconds),
                "Environment": what.environment or None,
                "Tags": tags(what.tags),
                "CheckpointConfig": what.checkpoints if checkpoints else None,
                **job_of_place(
                    place,
                    {
                        **algorithm(image, what),
                        "ContainerEntrypoint": list(entry_point) or None,
                        "ContainerArguments": list(arguments) or None,
                    },
                ),
                "RetryStrategy": {"MaximumRetryAttempts": retry_attempts} if retry_attempts else None,
                "SessionChainingConfig": {"EnableSessionTagChaining": True} if session_tag_chaining else None,
            },
            result_path=result_path,
            role=place.role,
            key=place.key,
        )


def algorithm(image: Text, job: TrainingJob) -> dict[str, Any]:
    """`AlgorithmSpecification`, of a training job or of a tuning job's children."""
    dynamic = isinstance(image, str) and image.startswith("$.")
    return {
        "TrainingImage": FromInput(str(image)) if dynamic else image,
        "TrainingInputMode": "File",
        "MetricDefinitions": job.metrics,
    }


def resources(
    instances: JobInstances | FromInput, place: JobPlace, keep_alive: int | None = None
) -> Mapping[str, Any] | FromInput:
    """`ResourceConfig`."""
    if isinstance(instances, FromInput):
        return instances
    return {
        "InstanceType": instances.type,
        "InstanceCount": instances.count,
        "VolumeSizeInGB": instances.volume_size,
        "VolumeKmsKeyId": instances.volume_key("training", place.key),
        "KeepAlivePeriodInSeconds": keep_alive,
    }


def job_of_place(place: TrainingJobPlace, algorithm_specification: Mapping[str, Any]) -> dict[str, Any]:
    """What no request can change, of a training job or of a tuning job's children."""
    return {
        "RoleArn": place.role.role_arn,
        "AlgorithmSpecification": algorithm_specification,
        "OutputDataConfig": place.output,
        "VpcConfig": place.vpc_config,
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": place.isolated,
    }
