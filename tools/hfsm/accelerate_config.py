"""A configuration of `accelerate config` for SageMaker, as a training request.

The file is taken as it is. What accelerate would pass to the SDK's estimator becomes the request's fields; what the
environment decides (role, network, keys, image) is told as a note; what no longer exists is refused with what is there
today. Sources: accelerate 1.x, `commands/config/sagemaker.py` and `utils/launch.py`.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hfsm.errors import WrongUseError, raise_problems

_TODAY = {
    "ml.p2": "ml.g4dn.xlarge",
    "ml.p3.2xlarge": "ml.g5.2xlarge",
    "ml.p3.8xlarge": "ml.g5.12xlarge",
    "ml.p3.16xlarge": "ml.g5.48xlarge",
    "ml.p3dn.24xlarge": "ml.p4d.24xlarge",
}
"""Instance types, or families, that SageMaker no longer has → what does their work today."""
_DECIDED = {
    "role": "the training role",
    "sagemaker_session": "the session",
    "subnets": "the network",
    "security_group_ids": "the network",
    "output_path": "the models bucket",
    "code_location": "the models bucket",
    "output_kms_key": "the models key",
    "volume_kms_key": "the models key",
    "encrypt_inter_container_traffic": "encryption between containers",
    "enable_network_isolation": "network isolation",
    "debugger_hook_config": "no debugger",
    "disable_profiler": "no profiler",
    "py_version": "the image",
    "transformers_version": "the image",
    "pytorch_version": "the image",
}
"""Arguments of the SDK's estimator → what the environment decides in their place."""
_TAKEN = frozenset(
    (
        "checkpoint_s3_uri",
        "distribution",
        "entry_point",
        "environment",
        "git_config",
        "hyperparameters",
        "image",
        "input_mode",
        "instance_count",
        "instance_type",
        "keep_alive_period_in_seconds",
        "max_retry_attempts",
        "max_run",
        "max_wait",
        "metric_definitions",
        "source_dir",
        "tags",
        "use_spot_instances",
        "volume_size",
    )
)
"""Arguments of the SDK's estimator that are fields of a request, under the same name."""


class AccelerateConfig(BaseModel):
    """The fields of accelerate's SageMakerConfig; a field it does not know is refused, as accelerate does."""

    model_config = ConfigDict(extra="forbid")

    compute_environment: Literal["AMAZON_SAGEMAKER"]
    distributed_type: Literal["NO", "DATA_PARALLEL", "MODEL_PARALLEL"] = "NO"
    ec2_instance_type: str
    iam_role_name: str | None = None
    image_uri: str | None = None
    profile: str | None = None
    region: str | None = None
    num_machines: int = 1
    gpu_ids: str = "all"
    base_job_name: str | None = None
    pytorch_version: str | None = None
    transformers_version: str | None = None
    py_version: str | None = None
    sagemaker_inputs_file: Path | None = None
    sagemaker_metrics_file: Path | None = None
    additional_args: dict[str, Any] | None = None
    dynamo_config: dict[str, Any] | None = None
    mixed_precision: Literal["no", "fp16", "bf16", "fp8"] | bool | None = None
    use_cpu: bool = False
    debug: bool = False
    enable_cpu_affinity: bool = False

    @property
    def precision(self) -> str:
        """`no` where YAML has read an unquoted no as false."""
        return self.mixed_precision if isinstance(self.mixed_precision, str) else "no"


def read(path: Path) -> AccelerateConfig:
    """Reads the file. Raises WrongUseError with every problem of its shape."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUseError(f"{path} cannot be read: {error.strerror}. Name a file of `accelerate config`.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WrongUseError(f"{path} is neither YAML nor JSON: {error}") from None
    if not isinstance(content, dict) or content.get("compute_environment") != "AMAZON_SAGEMAKER":
        raise WrongUseError(
            f"{path} is no configuration for SageMaker: compute_environment must be AMAZON_SAGEMAKER. Run `accelerate "
            "config` and choose AWS (Amazon SageMaker), or `hfsm accelerate-config` to have one written."
        )
    try:
        return AccelerateConfig.model_validate(content)
    except ValidationError as error:
        raise_problems([f"{path}: {'.'.join(map(str, each['loc']))}: {each['msg']}." for each in error.errors()])
        raise


def request_body(
    config: AccelerateConfig, path: Path, script: Path, arguments: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """The training request of `accelerate launch --config_file <path> <script> <arguments>`, and notes for people.

    Folders in the request are absolute. Notes say what the environment decides in place of the file. Raises
    WrongUseError with every problem.
    """
    additional = dict(config.additional_args or {})
    hyperparameters, problems = _hyperparameters(arguments)
    problems = [f"{script}: {problem}" for problem in problems]
    if script.suffix != ".py" or not script.is_file():
        problems.append(f"{script} is no Python file: name the training script.")
    channels, metrics = _pairs(config.sagemaker_inputs_file, problems), _pairs(config.sagemaker_metrics_file, problems)
    body: dict[str, Any] = {
        "schema_version": "1",
        "name": _name(config.base_job_name or script.stem),
        "source_dir": str(script.parent.resolve()),
        "entry_point": script.name,
        "instance_type": config.ec2_instance_type,
        "instance_count": config.num_machines,
        "hyperparameters": hyperparameters,
        "environment": _environment(config),
        "channels": {name: _absolute(place) for name, place in channels.items()},
    }
    if metrics:
        body["metric_definitions"] = [{"Name": name, "Regex": regex} for name, regex in metrics.items()]
    if config.distributed_type == "DATA_PARALLEL":
        body["distribution"] = {"smdistributed": {"dataparallel": {"enabled": True}}}
    problems += [f"{path}: {problem}" for problem in _gone(config, additional) + _unknown(additional)]
    raise_problems(problems)
    return _merged(body, additional), _notes(config, additional)


def _merged(body: dict[str, Any], additional: Mapping[str, Any]) -> dict[str, Any]:
    """additional_args win over the file's own fields, and mappings are joined, as accelerate does it."""
    for name in sorted(_TAKEN & set(additional)):
        value = additional[name]
        if name == "tags" and isinstance(value, list):
            value = {tag["Key"]: tag["Value"] for tag in value}
        body[name] = {**body.get(name, {}), **value} if isinstance(value, dict) else value
    return body


def _gone(config: AccelerateConfig, additional: Mapping[str, Any]) -> list[str]:
    """What the file asks for and SageMaker or its images no longer have."""
    found = []
    name = str(additional.get("instance_type", config.ec2_instance_type))
    if today := _TODAY.get(name) or _TODAY.get(name.rsplit(".", 1)[0]):
        found.append(f"the instance type is {name}, which SageMaker has no longer: {today} does its work today.")
    sent = json.dumps(additional.get("distribution", {}))
    if config.distributed_type == "MODEL_PARALLEL" or "modelparallel" in sent:
        found.append(
            "SageMaker's model parallelism (smdistributed v1) is in no image any more: shard with FSDP or DeepSpeed, "
            "in additional_args.distribution.accelerate, see docs/distributed-training.md."
        )
    if config.precision == "fp8":
        found.append("mixed_precision fp8 needs libraries that no Hugging Face training image has: use bf16 or fp16.")
    return found


def _unknown(additional: Mapping[str, Any]) -> list[str]:
    found = []
    for name in sorted(set(additional) - _TAKEN - set(_DECIDED)):
        near = get_close_matches(name, [*_TAKEN, *_DECIDED], n=1)
        hint = f"Did you mean {near[0]}?" if near else "See docs/accelerate.md for what is."
        found.append(f"additional_args.{name} is no argument that a training request has. {hint}")
    return found


def _notes(config: AccelerateConfig, additional: Mapping[str, Any]) -> list[str]:
    decided = {_DECIDED[name] for name in set(additional) & set(_DECIDED)}
    if config.iam_role_name:
        decided.add(_DECIDED["role"])
    if config.image_uri or config.transformers_version or config.pytorch_version or config.py_version:
        decided.add(_DECIDED["py_version"])
    notes = [f"The environment decides {_listed(decided)}: what the file says of that is not used."] if decided else []
    if config.profile or config.region:
        notes.append("profile and region of the file are not used: AWS_PROFILE and AWS_REGION say whom to talk to.")
    return notes


def _listed(names: Collection[str]) -> str:
    *first, last = sorted(names)
    return f"{', '.join(first)} and {last}" if first else last


def _environment(config: AccelerateConfig) -> dict[str, str]:
    """What accelerate's own launcher sets for its library inside the job."""
    dynamo = {name.removeprefix("dynamo_"): value for name, value in (config.dynamo_config or {}).items()}
    return {
        "ACCELERATE_USE_SAGEMAKER": "true",
        "ACCELERATE_MIXED_PRECISION": config.precision,
        "ACCELERATE_DYNAMO_BACKEND": str(dynamo.get("backend", "NO")).upper(),
        "ACCELERATE_DYNAMO_MODE": str(dynamo.get("mode", "default")),
        "ACCELERATE_DYNAMO_USE_FULLGRAPH": str(dynamo.get("use_fullgraph", False)),
        "ACCELERATE_DYNAMO_USE_DYNAMIC": str(dynamo.get("use_dynamic", False)),
        "ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION": str(dynamo.get("use_regional_compilation", False)),
        "ACCELERATE_SAGEMAKER_DISTRIBUTED_TYPE": config.distributed_type,
    }


def _hyperparameters(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """`--name value` and `--flag`, with numbers and booleans as such; and what cannot be read."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    name: str | None = None
    for argument in arguments:
        if match := re.fullmatch(r"--?([A-Za-z_][\w-]*)(?:=(.*))?", argument, re.DOTALL):
            name = match[1]
            values[name] = True if match[2] is None else _typed(match[2])
            name = name if match[2] is None else None
        elif name is not None and values[name] is True:
            values[name] = _typed(argument)
            name = None
        else:
            problems.append(f"argument {argument!r} follows no --name: SageMaker passes hyperparameters by name only.")
    return values, problems


def _typed(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _pairs(path: Path | None, problems: list[str]) -> dict[str, str]:
    """The two columns of one of accelerate's TSV files, without its first line, which names them."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}. It is named in the accelerate configuration.")
        return {}
    pairs: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < 2 or not all(cells[:2]):
            if line.strip():
                problems.append(f"{path}, line {number}: two columns with a tab between them, found {line!r}.")
            continue
        pairs[cells[0]] = cells[1]
    return pairs


def _absolute(place: str) -> str:
    """accelerate reads paths from where it is started, and a request from where the request lies."""
    return place if "://" in place else str(Path(place).resolve())


def _name(text: str) -> str:
    """A request's name: 2 to 31 lower-case letters, digits and hyphens, beginning with a letter."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-0123456789")[:31].strip("-")
    return name if len(name) >= 2 else "training"
