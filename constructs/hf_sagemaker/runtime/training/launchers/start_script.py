"""Starts the script as the container's training toolkit would, with three differences.

- What the script prints goes where it goes, untouched. The toolkit takes each piece that it reads for whole lines: half
  a line becomes a line, which no metric definition knows and no traceback survives.
- `accelerate launch` is one of the ways to start it.
- torch is not loaded, for some seconds, by a process that only wants to know its version.

The toolkit calls `main` of the module that SAGEMAKER_TRAINING_MODULE names; the entry point names this one, where the
image names its own.
"""

import os
from importlib.metadata import version
from typing import Any

import accelerate_launch
from sagemaker_pytorch_container import training
from sagemaker_training import entry_point, environment, runner, torch_distributed

_STARTED_HERE = (runner.ProcessRunnerType, runner.TorchDistributedRunnerType)
_run_entry_point = entry_point.run
_run_torchrun = torch_distributed.TorchDistributedRunner.run


def main() -> None:
    entry_point.run = _run
    torch_distributed.TorchDistributedRunner.run = _run_with_named_arguments
    training._set_torch_version_environment = _name_torch_version
    training.train(environment.Environment())


def _run(**arguments: Any) -> Any:
    """In the place of entry_point.run: MPI, which marks lines with their process, keeps being read by the toolkit."""
    given = environment.Environment()
    kind = arguments.get("runner_type", runner.ProcessRunnerType)
    if kind in _STARTED_HERE:
        arguments["capture_error"] = False
    if given.additional_framework_parameters.get("sagemaker_accelerate_enabled"):
        arguments["runner_type"] = accelerate_launch.AccelerateRunner(given)
    return _run_entry_point(**arguments)


def _name_torch_version() -> None:
    os.environ["SM_DLC_TORCH_VERSION"] = version("torch")


def _run_with_named_arguments(self: Any, wait: bool = True, capture_error: bool = False) -> Any:
    """It declares them in another order than it is called with: not to capture would mean not to wait."""
    return _run_torchrun(self, capture_error=capture_error, wait=wait)
