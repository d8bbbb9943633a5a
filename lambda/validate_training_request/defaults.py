"""What the environment decides for a request."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What the environment decides for a job type; the state machine passes it.

    image: name of the image for a request that names none.
    images: name of an image that a request may name → name of the parameter with its digest.
    unfit_images: name of one that it may not name → why, in a sentence.
    instance_types: allowed type → whether its volume takes a KMS key.
    checkpoints: whether jobs keep any; without them spot is refused.
    checkpoints_bucket: bucket name; a job's checkpoints stay below it.
    data_buckets, models_bucket: names of the buckets that a job may read.
    volume_key: ARN of the key for storage volumes.
    isolated: whether containers have no network; then no request can give them one.
    max_keep_alive: seconds that a request may keep instances for another job, at most.
    git_repositories: patterns of the addresses from which training code may come.
    data_parallel_images: names of those of `images` that carry SageMaker's data-parallel library.
    precision: what the GPUs of which instance types lack, see `precision`.
    file_systems: those that channels may name, see `file_systems`.
    processing: whether there are jobs before and after training.
    tuning: {max_jobs, max_parallel_jobs} of a tuning job, and the `prefix` with which its name begins.
    """

    job_type: str
    environment: str
    image: str
    images: dict[str, str]
    unfit_images: dict[str, str]
    instance_type: str
    instance_types: dict[str, bool]
    max_instance_count: int
    volume_size: int
    use_spot_instances: bool
    checkpoints: bool
    max_run: int
    max_wait: int
    metric_definitions: list[dict[str, str]]
    evaluation: dict[str, Any]
    checkpoints_bucket: str
    data_buckets: list[str]
    models_bucket: str
    volume_key: str
    isolated: bool = True
    max_keep_alive: int = 3600
    git_repositories: list[str] = field(default_factory=list)
    data_parallel_images: list[str] = field(default_factory=list)
    precision: list[dict[str, Any]] = field(default_factory=list)
    file_systems: list[dict[str, str]] = field(default_factory=list)
    processing: bool = True
    tuning: dict[str, Any] = field(default_factory=dict)
