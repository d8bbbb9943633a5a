"""The field `distribution` of a training request: how processes on one or several instances train together.

Shapes are the SageMaker SDK's, and `accelerate`, which is ours. What follows from them are hyperparameters that the
training toolkit of the container reads.
"""

import json
import re
from difflib import get_close_matches
from typing import Any

DATA_PARALLEL_TYPES = ("ml.p4d.24xlarge", "ml.p4de.24xlarge")
"""Instance types for which SageMaker's data-parallel library is still made."""
LONGEST_HYPERPARAMETER = 2500
"""Characters that SageMaker takes as the value of one."""
_KINDS = ("torch_distributed", "accelerate", "smdistributed", "mpi", "pytorchddp")
_OPTIONS = {
    "torch_distributed": ("enabled",),
    "pytorchddp": ("enabled", "custom_mpi_options"),
    "mpi": ("enabled", "processes_per_host", "custom_mpi_options"),
    "accelerate": ("enabled", "config"),
    "dataparallel": ("enabled", "custom_mpi_options"),
}
_GONE = {
    "parameter_server": "It is TensorFlow's. For PyTorch, use torch_distributed.",
    "horovod": "No Hugging Face image carries it. Use torch_distributed.",
    "smddp": "It is written {'smdistributed': {'dataparallel': {'enabled': true}}}.",
    "deepspeed": "DeepSpeed goes through accelerate: {'accelerate': {'enabled': true, 'config': …}}.",
    "fsdp": "FSDP goes through accelerate: {'accelerate': {'enabled': true, 'config': …}}.",
}
_EFA = "NCCL uses EFA by itself on every instance type that has it, where the network allows it"
_CONFIG_FILE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\.(ya?ml|json)$")
_TYPES = ("NO", "MULTI_GPU", "MULTI_CPU", "FSDP", "DEEPSPEED")
_SECTIONS = {"fsdp_config": "FSDP", "deepspeed_config": "DEEPSPEED"}
_WITHOUT_BF16 = ("ml.g4dn.", "ml.p3.", "ml.p3dn.")

Distribution = dict[str, Any]


def problems(
    distribution: Distribution | None, request: dict[str, Any], instance_type: str, library: bool
) -> list[str]:
    """One sentence for each thing that is wrong, with what to write today.

    distribution: None where the request leaves it out. library: whether the image has SageMaker's data-parallel one.
    """
    count = request.get("instance_count", 1)
    if distribution is None:
        return _unsaid(count) if count > 1 else []
    found = _unknown(distribution)
    if found:
        return found
    enabled = [name for name, options in _flat(distribution).items() if options["enabled"]]
    if len(enabled) > 1:
        found.append(f"distribution enables {' and '.join(enabled)}: one job is started in one way.")
    if "modelparallel" in distribution.get("smdistributed", {}):
        found.append(
            "distribution.smdistributed.modelparallel is in no Hugging Face image any more. Today's equivalent shards "
            'the model with FSDP: {"accelerate": {"enabled": true, "config": {"distributed_type": "FSDP", …}}}.'
        )
    if "dataparallel" in enabled:
        found += _data_parallel(instance_type, library)
    if "accelerate" in enabled:
        found += _accelerate(distribution["accelerate"], request, instance_type)
    if "mpi" in enabled and not _is_count(distribution["mpi"].get("processes_per_host", 1)):
        found.append("distribution.mpi.processes_per_host must be a whole number from 1.")
    return found


def hyper_parameters(distribution: Distribution | None, instance_type: str) -> dict[str, Any]:
    """What the toolkit in the container reads; empty where one process per instance is all that is wanted."""
    kinds = _flat(distribution or {})
    enabled = next((name for name, options in kinds.items() if options["enabled"]), None)
    if enabled is None:
        return {}
    options = kinds[enabled]
    custom = options.get("custom_mpi_options", "")
    of_kind: dict[str, dict[str, Any]] = {
        "torch_distributed": {"sagemaker_torch_distributed_enabled": True},
        # It meant torch's DDP under mpirun. Scripts see the same process group when torchrun starts them.
        "pytorchddp": {"sagemaker_torch_distributed_enabled": True},
        "dataparallel": {
            "sagemaker_distributed_dataparallel_enabled": True,
            "sagemaker_distributed_dataparallel_custom_mpi_options": custom,
        },
        "mpi": {
            "sagemaker_mpi_enabled": True,
            "sagemaker_mpi_num_of_processes_per_host": options.get("processes_per_host", 1),
            "sagemaker_mpi_custom_mpi_options": custom,
        },
        "accelerate": {
            "sagemaker_accelerate_enabled": True,
            "sagemaker_accelerate_config": options.get("config", {}),
        },
    }
    return {**of_kind[enabled], "sagemaker_instance_type": instance_type}


def _flat(distribution: Distribution) -> dict[str, Distribution]:
    """Kind → its options, with smdistributed's two as kinds of their own."""
    library = distribution.get("smdistributed", {})
    kinds = {name: options for name, options in distribution.items() if name != "smdistributed"}
    return {**kinds, **{name: options for name, options in library.items() if name == "dataparallel"}}


def _unsaid(count: int) -> list[str]:
    return [
        f"instance_count is {count} and distribution is missing: each instance would run the whole script by itself, "
        'and one would overwrite the other\'s model. Say {"torch_distributed": {"enabled": true}} to train on all of '
        "them together, or {} if that is what you want."
    ]


def _unknown(distribution: Distribution) -> list[str]:
    found = []
    for name in distribution:
        if name not in _KINDS:
            near = get_close_matches(name, _KINDS, n=1)
            hint = _GONE.get(name) or (f"Did you mean {near[0]}?" if near else f"There are {', '.join(_KINDS)}.")
            found.append(f"distribution.{name} is no way to start a training job here. {hint}")
    library = distribution.get("smdistributed", {})
    if not isinstance(library, dict) or not set(library) <= {"dataparallel", "modelparallel"}:
        return [*found, "distribution.smdistributed must hold dataparallel."]
    for name, options in _flat(distribution).items():
        if name not in _OPTIONS:
            continue
        if not isinstance(options, dict) or not isinstance(options.get("enabled"), bool):
            found.append(f'distribution.{name} must be {{"enabled": true, …}} or {{"enabled": false}}.')
            continue
        found += [
            f"distribution.{name}.{option} is unknown; {name} takes {', '.join(_OPTIONS[name])}."
            for option in options
            if option not in _OPTIONS[name]
        ]
        if not isinstance(options.get("custom_mpi_options", ""), str):
            found.append(f"distribution.{name}.custom_mpi_options must be a text.")
    return found


def _data_parallel(instance_type: str, library: bool) -> list[str]:
    found = []
    if instance_type not in DATA_PARALLEL_TYPES:
        found.append(
            f"distribution.smdistributed.dataparallel cannot run on {instance_type}: SageMaker's library supports "
            f"{' and '.join(DATA_PARALLEL_TYPES)} only. Use torch_distributed."
        )
    if not library:
        found.append(
            "distribution.smdistributed.dataparallel needs SageMaker's library in the image, and this job type's image "
            f"has none: AWS made the last one for PyTorch 2.3. Use torch_distributed: {_EFA}."
        )
    return found


def _accelerate(options: Distribution, request: dict[str, Any], instance_type: str) -> list[str]:
    config = options.get("config", {})
    if isinstance(config, str):
        if not _CONFIG_FILE.match(config):
            return [f"distribution.accelerate.config is {config!r}: it must be the path of a .yaml or .json file."]
        if "source_dir" not in request:
            return [f"distribution.accelerate.config is the file {config!r} of source_dir, which is missing."]
        return []
    if not isinstance(config, dict):
        return ["distribution.accelerate.config must be a path in source_dir, or the configuration itself."]
    return _configuration(config, instance_type)


def _configuration(config: Distribution, instance_type: str) -> list[str]:
    found = []
    where = "distribution.accelerate.config"
    if config.get("compute_environment", "LOCAL_MACHINE") != "LOCAL_MACHINE":
        found.append(
            f"{where}.compute_environment must be LOCAL_MACHINE: inside the job, accelerate runs on these instances."
        )
    kind = config.get("distributed_type")
    if kind is not None and kind not in _TYPES:
        found.append(f"{where}.distributed_type is {kind!r}; it must be one of {', '.join(_TYPES)}.")
    found += [
        f"{where}.{section} needs distributed_type {needed}."
        for section, needed in _SECTIONS.items()
        if config.get(section) and kind != needed
    ]
    if config.get("mixed_precision") == "bf16" and instance_type.startswith(_WITHOUT_BF16):
        found.append(f"{where}.mixed_precision is bf16, which the GPUs of {instance_type} do not have. Use fp16.")
    if (size := len(json.dumps(config))) > LONGEST_HYPERPARAMETER:
        found.append(
            f"{where} has {size} characters as JSON, and SageMaker takes {LONGEST_HYPERPARAMETER}. Put it into a file "
            "in source_dir and give its path."
        )
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
