"""`sagemaker:createTrainingJob.sync` as a state: what CDK's own task cannot say.

`tasks.SageMakerCreateTrainingJob` knows neither spot nor checkpoints, and `CallAwsService` refuses `.sync`; so the
state is written as Amazon States Language. What decides access (role, network, keys, image) is constant here; what a
run decides comes from the state's input.
"""

from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Placement

CHECKPOINT_PATH = "/opt/ml/checkpoints"
"""Where SageMaker puts checkpoints back before a container starts, and takes them from while it runs."""
TIMEOUT = 28 * 24 * 3600 + 3600
"""Seconds: the longest job that SageMaker runs, waiting for spot instances included, and an hour to start and end."""

_CHECKPOINTS = {"CheckpointConfig": {"S3Uri.$": "$.job.checkpoint_s3_uri", "LocalPath": CHECKPOINT_PATH}}
_TRANSIENT = [
    {
        # Throttling and 5XX come under this name. Full jitter: many runs started together do not come back together.
        "ErrorEquals": ["SageMaker.AmazonSageMakerException", "SageMaker.SdkClientException"],
        "IntervalSeconds": 5,
        "BackoffRate": 2,
        "MaxAttempts": 5,
        "MaxDelaySeconds": 120,
        "JitterStrategy": "FULL",
    },
    {
        # A quota is used up: by other jobs, which end. After about half an hour it is too low, and people are told.
        "ErrorEquals": ["SageMaker.ResourceLimitExceededException"],
        "IntervalSeconds": 60,
        "BackoffRate": 2,
        "MaxAttempts": 6,
        "MaxDelaySeconds": 900,
        "JitterStrategy": "FULL",
    },
]


@dataclass(frozen=True, kw_only=True)
class TrainingJobPlace:
    """Where a training job runs and whom it acts as: what no training request can change.

    image_uri: the extended training image.
    role: assumed by the job.
    placement: its subnets and security groups.
    key: encrypts the model.
    isolated: the container has no network.
    models_bucket, prefix: where the model goes: `s3://<bucket>/<prefix><job name>/output/model.tar.gz`.
    """

    image_uri: str
    role: iam.IRole
    placement: Placement
    key: kms.IKey
    models_bucket: s3.IBucket
    prefix: str
    isolated: bool = True


class TrainingJobTask(sfn.CustomState):
    """One training job; the state ends when the job does, with its description at `$.training`.

    The input holds at `$.job` what `lambda/validate_training_request` returns. An error lies at `$.failure`.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, place: TrainingJobPlace, spot: bool, checkpoints: bool = True
    ) -> None:
        """Creates the state.

        spot: train on managed spot instances, waiting at most `$.job.max_wait` seconds. On demand it takes the same
            checkpoints, so it goes on where spot stopped.
        checkpoints: bring them from S3 and keep them there. Omitted: yes.
        """
        stopping: dict[str, str] = {"MaxRuntimeInSeconds.$": "$.job.max_run"}
        if spot:
            stopping["MaxWaitTimeInSeconds.$"] = "$.job.max_wait"
        super().__init__(
            scope,
            construct_id,
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(scope).partition}:states:::sagemaker:createTrainingJob.sync",
                "Parameters": {
                    "TrainingJobName.$": "$.job.spot_job_name" if spot else "$.job.on_demand_job_name",
                    "EnableManagedSpotTraining": spot,
                    "StoppingCondition": stopping,
                    **_job_of_request(),
                    **(_CHECKPOINTS if checkpoints else {}),
                    **_job_of_place(place),
                },
                "ResultPath": "$.training",
                "TimeoutSeconds": TIMEOUT,
                "Retry": _TRANSIENT,
            },
        )


def _job_of_request() -> dict[str, Any]:
    return {
        "HyperParameters.$": "$.job.hyper_parameters",
        "InputDataConfig.$": "$.job.input_data",
        "ResourceConfig.$": "$.job.resources",
        "Environment.$": "$.job.environment",
        "Tags.$": "$.job.tags",
    }


def _job_of_place(place: TrainingJobPlace) -> dict[str, Any]:
    return {
        "RoleArn": place.role.role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": place.image_uri,
            "TrainingInputMode": "File",
            "MetricDefinitions.$": "$.job.metric_definitions",
        },
        "OutputDataConfig": {
            "S3OutputPath": place.models_bucket.s3_url_for_object(place.prefix.rstrip("/")),
            "KmsKeyId": place.key.key_arn,
        },
        "VpcConfig": {
            "Subnets": place.placement.subnet_ids,
            "SecurityGroupIds": place.placement.security_group_ids,
        },
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": place.isolated,
    }
