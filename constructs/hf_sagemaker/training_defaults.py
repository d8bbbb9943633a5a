"""What a job type lets a training request leave out, and how far it may go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import aws_kms as kms

from hf_sagemaker import compatibility
from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.instance_types import instance_type, names
from hf_sagemaker.job_kinds import tuning_prefix
from hf_sagemaker.job_task import JobInstances
from hf_sagemaker.metric_definitions import METRIC_DEFINITIONS


@dataclass(frozen=True, kw_only=True)
class TrainingDefaults:
    """What a request need not say, and how far it may go.

    instance_types: every type that a request may ask for, the default first.
    max_instance_count: most instances. volume_size: GiB per instance. max_run, max_wait: seconds.
    max_keep_alive: seconds that a request may keep its instances for another job, and pays for, at most.
    processing_instance_type: on which models are evaluated on data, and data is prepared, each within
        processing_max_run seconds and with volume_size. Omitted: the first of instance_types that SageMaker processing
        has; where there is none, requests can have neither.
    max_tuning_jobs, max_parallel_tuning_jobs: training jobs of one search, altogether and at a time. 0: no searches.
    checkpoints: jobs keep checkpoints in S3. False also refuses spot, in every request.
    metric, minimum: the gate: a model is registered when the metric reaches the minimum.
    metric_definitions: name and regular expression of each metric. Omitted: those of this library's training code.
    task: the transformers pipeline task that a trained model serves.
    approve_at: a model is approved by itself when the metric is at least this. Omitted: a person approves.
    model_card: what only people know of a model, by the names of the model card's schema. Omitted: nothing.
    """

    instance_types: Sequence[str]
    max_instance_count: int = 1
    volume_size: int = 50
    use_spot_instances: bool = True
    checkpoints: bool = True
    max_run: int = 3600
    max_wait: int = 7200
    max_keep_alive: int = 3600
    processing_instance_type: str | None = None
    processing_max_run: int = 3600
    max_tuning_jobs: int = 20
    max_parallel_tuning_jobs: int = 2
    metric: str = "eval_accuracy"
    minimum: float = 0.0
    metric_definitions: Sequence[Mapping[str, str]] = METRIC_DEFINITIONS
    task: str = "text-classification"
    approve_at: float | None = None
    model_card: Mapping[str, str] = field(default_factory=dict)

    @property
    def processing(self) -> JobInstances | None:
        """What the jobs before and after training run on, or None."""
        fit = (name for name in self.instance_types if name in names("processing"))
        found = self.processing_instance_type or next(fit, None)
        return JobInstances(type=found, volume_size=self.volume_size) if found else None


def request_defaults(
    job_type: str, environment: str, defaults: TrainingDefaults, buckets: EnvironmentBuckets, key: kms.IKey
) -> dict[str, Any]:
    """As `validate_training_request.defaults.Defaults` reads them."""
    return {
        "job_type": job_type,
        "environment": environment,
        "instance_type": defaults.instance_types[0],
        "instance_types": {name: instance_type(name, "training").takes_volume_key for name in defaults.instance_types},
        "max_instance_count": defaults.max_instance_count,
        "volume_size": defaults.volume_size,
        "use_spot_instances": defaults.use_spot_instances,
        "checkpoints": defaults.checkpoints,
        "max_run": defaults.max_run,
        "max_wait": defaults.max_wait,
        "max_keep_alive": defaults.max_keep_alive,
        "processing": defaults.processing is not None,
        "tuning": {
            "prefix": tuning_prefix(environment),
            "max_jobs": defaults.max_tuning_jobs,
            "max_parallel_jobs": defaults.max_parallel_tuning_jobs,
        },
        "metric_definitions": [dict(definition) for definition in defaults.metric_definitions],
        "evaluation": {"metric": defaults.metric, "minimum": defaults.minimum},
        "checkpoints_bucket": buckets.checkpoints.bucket_name,
        "data_buckets": [buckets.data.bucket_name, *(bucket.bucket_name for bucket, _ in buckets.read_only)],
        "models_bucket": buckets.models.bucket_name,
        "volume_key": key.key_arn,
        "precision": compatibility.hyperparameter_rules(
            instance_type(name, "training") for name in defaults.instance_types
        ),
    }
