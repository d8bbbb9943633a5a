"""Starts the script with `accelerate launch`, which the training toolkit has no way for.

The hyperparameter `sagemaker_accelerate_config` is the configuration, or the path of its file below the code. Where the
instances are, how many there are and how many processes each has, SageMaker decides: what the configuration says about
it is replaced.
"""

import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from sagemaker_training import environment, errors, process, torch_distributed

_FOLDER = "accelerate-configuration-"


class AccelerateRunner(process.ProcessRunner):
    """As the toolkit's own runners, with another command."""

    def __init__(self, given: environment.Environment) -> None:
        self._given = given
        processes = int(given.num_gpus) or int(given.num_neurons) or 1
        super().__init__(given.user_entry_point, given.to_cmd_args(), given.to_env_vars(), processes)

    def _create_command(self) -> list[str]:
        wanted = self._given.additional_framework_parameters.get("sagemaker_accelerate_config") or {}
        config = configuration(
            read(wanted, Path(environment.code_dir)),
            hosts=self._given.hosts,
            host=self._given.current_host,
            main_address=self._given.master_hostname,
            processes_per_host=self._processes_per_host,
        )
        for package in ("accelerate", *(["deepspeed"] if config["distributed_type"] == "DEEPSPEED" else [])):
            if find_spec(package) is None:
                raise errors.ClientError(
                    f"distribution.accelerate needs the package {package}, which this image does not have. Name it "
                    "under requirements of the image in the environment's settings, or choose torch_distributed."
                )
        path = Path(tempfile.mkdtemp(prefix=_FOLDER)) / "config.json"
        path.write_text(json.dumps(config))
        script = process.validate_entry_point(self._user_entry_point)
        return ["accelerate", "launch", "--config_file", str(path), script, *self._args]


def read(wanted: dict[str, Any] | str, code: Path) -> dict[str, Any]:
    """The configuration; a text is the path of its file below `code`. ClientError: there is none, or no mapping."""
    if isinstance(wanted, dict):
        return wanted
    path = code / wanted
    try:
        loaded = yaml.safe_load(path.read_text())  # JSON is YAML
    except (OSError, yaml.YAMLError) as error:
        raise errors.ClientError(
            f"distribution.accelerate.config: cannot read {wanted} of source_dir: {error}"
        ) from None
    if not isinstance(loaded, dict):
        raise errors.ClientError(f"distribution.accelerate.config: {wanted} of source_dir holds no mapping.")
    return loaded


def configuration(
    wanted: dict[str, Any], *, hosts: list[str], host: str, main_address: str, processes_per_host: int
) -> dict[str, Any]:
    """What `accelerate launch` gets on one of the hosts."""
    total = len(hosts) * processes_per_host
    config = {"mixed_precision": "no", **wanted}
    kind = config.get("distributed_type", "NO")
    if kind in ("NO", "MULTI_GPU", "MULTI_CPU"):
        # accelerate would start several processes on CPUs with mpirun. This is torchrun, which is right for both.
        kind = "MULTI_GPU" if total > 1 else "NO"
    if kind == "DEEPSPEED":  # its own way to other instances is SSH
        config["deepspeed_config"] = {
            **(config.get("deepspeed_config") or {}),
            "deepspeed_multinode_launcher": "standard",
        }
    return {
        **config,
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": kind,
        "num_machines": len(hosts),
        "machine_rank": hosts.index(host),
        "main_process_ip": main_address,
        "main_process_port": int(torch_distributed.MASTER_PORT),
        "num_processes": total,
        "rdzv_backend": "static",
    }
