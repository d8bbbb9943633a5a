"""How a training request says that processes train together."""

import json
from typing import Any

import pytest

from validate_training_request.defaults import Defaults
from validate_training_request.logic import InvalidTrainingRequest, training_job

TORCHRUN = {"torch_distributed": {"enabled": True}}
SMDDP = {"smdistributed": {"dataparallel": {"enabled": True, "custom_mpi_options": "-x NCCL_DEBUG=INFO"}}}


def _job(library: bool = False, **changes: Any) -> dict[str, Any]:
    types = ("ml.g4dn.xlarge", "ml.p4d.24xlarge", "ml.p5.48xlarge")
    defaults = Defaults(
        job_type="text-classification",
        environment="dev",
        instance_type="ml.g4dn.xlarge",
        instance_types=dict.fromkeys(types, False),
        max_instance_count=8,
        volume_size=50,
        use_spot_instances=True,
        checkpoints=True,
        max_run=3600,
        max_wait=7200,
        metric_definitions=[{"Name": "eval_accuracy", "Regex": "eval_accuracy=([0-9.]+)"}],
        evaluation={"metric": "eval_accuracy", "minimum": 0.5},
        checkpoints_bucket="checkpoints",
        data_buckets=["data"],
        models_bucket="models",
        volume_key="arn:aws:kms:us-east-1:123456789012:key/1",
        image="training",
        images={"training": "/training"},
        unfit_images={},
        data_parallel_images=["training"] if library else [],
    )
    request = {"schema_version": "1", "name": "sentiment", "channels": {"train": "s3://data/train"}, **changes}
    return training_job(request, defaults, "arn:aws:states:us-east-1:123456789012:execution:machine:run-1")


def _refusal(library: bool = False, **changes: Any) -> str:
    with pytest.raises(InvalidTrainingRequest) as caught:
        _job(library, **changes)
    return str(caught.value)


def _read(job: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("sagemaker_"): json.loads(text) for name, text in job["hyper_parameters"].items()}


@pytest.mark.parametrize(
    ("distribution", "parameters"),
    [
        (TORCHRUN, {"torch_distributed_enabled": True}),
        ({"pytorchddp": {"enabled": True}}, {"torch_distributed_enabled": True}),
        (
            {"mpi": {"enabled": True, "processes_per_host": 4}},
            {"mpi_enabled": True, "mpi_num_of_processes_per_host": 4, "mpi_custom_mpi_options": ""},
        ),
        (
            {
                "accelerate": {
                    "enabled": True,
                    "config": {"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}},
                }
            },
            {
                "accelerate_enabled": True,
                "accelerate_config": {"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}},
            },
        ),
    ],
)
def test_each_way_becomes_what_the_toolkit_reads(distribution: dict[str, Any], parameters: dict[str, Any]) -> None:
    job = _job(distribution=distribution, instance_count=2)
    assert _read(job) == {**parameters, "instance_type": "ml.g4dn.xlarge"}
    assert job["resources"]["InstanceCount"] == 2


def test_sagemakers_library_runs_where_instance_and_image_have_it() -> None:
    job = _job(library=True, distribution=SMDDP, instance_type="ml.p4d.24xlarge", instance_count=2)
    assert _read(job) == {
        "distributed_dataparallel_enabled": True,
        "distributed_dataparallel_custom_mpi_options": "-x NCCL_DEBUG=INFO",
        "instance_type": "ml.p4d.24xlarge",
    }


@pytest.mark.parametrize("distribution", [{}, {"torch_distributed": {"enabled": False}}])
def test_instances_may_be_apart_when_that_is_said(distribution: dict[str, Any]) -> None:
    assert _job(distribution=distribution, instance_count=2)["hyper_parameters"] == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instance_count": 2}, "distribution is missing: each instance would run the whole script by itself"),
        ({"distribution": "torchrun"}, "distribution is 'torchrun': it must be {} or name one of"),
        ({"distribution": {"torch_distribute": {"enabled": True}}}, "Did you mean torch_distributed?"),
        ({"distribution": {"horovod": {"enabled": True}}}, "Use torch_distributed."),
        ({"distribution": {"fsdp": {"enabled": True}}}, "FSDP goes through accelerate"),
        ({"distribution": {"torch_distributed": True}}, 'must be {"enabled": true, …}'),
        ({"distribution": {"torch_distributed": {"enabled": True, "nodes": 2}}}, "torch_distributed.nodes is unknown"),
        (
            {"distribution": {**TORCHRUN, "mpi": {"enabled": True}}},
            "distribution enables torch_distributed and mpi: one job is started in one way",
        ),
        ({"distribution": {"mpi": {"enabled": True, "processes_per_host": 0}}}, "a whole number from 1"),
        ({"distribution": SMDDP}, "supports ml.p4d.24xlarge and ml.p4de.24xlarge only. Use torch_distributed."),
        (
            {"distribution": SMDDP, "instance_type": "ml.p4d.24xlarge"},
            "this job type's image has none: AWS made the last one for PyTorch 2.3",
        ),
        (
            {"distribution": {"smdistributed": {"modelparallel": {"enabled": True}}}},
            "Today's equivalent shards the model with FSDP",
        ),
        ({"distribution": {"accelerate": {"enabled": True, "config": "fsdp.yaml"}}}, "of source_dir, which is missing"),
        ({"distribution": {"accelerate": {"enabled": True, "config": "../x.yaml"}}}, "must be the path of a .yaml"),
        ({"distribution": {"accelerate": {"enabled": True, "config": 3}}}, "must be a path in source_dir, or"),
    ],
)
def test_what_cannot_run_is_refused_with_what_can(changes: dict[str, Any], words: str) -> None:
    assert words in _refusal(**changes)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"compute_environment": "AMAZON_SAGEMAKER"}, "compute_environment must be LOCAL_MACHINE"),
        ({"distributed_type": "XLA"}, "must be one of NO, MULTI_GPU"),
        ({"fsdp_config": {"fsdp_version": 2}}, "fsdp_config needs distributed_type FSDP"),
        ({"mixed_precision": "bf16"}, "the GPUs of ml.g4dn.xlarge do not have. Use fp16."),
        ({"fsdp_config": {"x": "y" * 2500}, "distributed_type": "FSDP"}, "Put it into a file in source_dir"),
    ],
)
def test_an_accelerate_configuration_is_looked_at(config: dict[str, Any], words: str) -> None:
    assert words in _refusal(distribution={"accelerate": {"enabled": True, "config": config}})


def test_a_job_knows_its_lineage_and_whether_it_may_go_on_from_another() -> None:
    # Given a request without a place for checkpoints, and one that names another run's
    own, other = _job(), _job(checkpoint_s3_uri="s3://checkpoints/text-classification/dev-other-1")
    # Then the code in the job can tell
    assert own["environment"]["HF_SAGEMAKER_LINEAGE"] == own["spot_job_name"].removesuffix("-spot")
    assert own["environment"]["HF_SAGEMAKER_CHECKPOINTS"] == "own"
    assert other["environment"]["HF_SAGEMAKER_CHECKPOINTS"] == "named"
