"""Stand-ins for published images that nothing here can run: model servers for GPUs, and everything for Neuron.

They can be built upon: Python requirements are really installed over them, and the checks of a build find the
packages and programs that they look for. What starts in them needs a device that this machine lacks, so that a job or
an endpoint on one fails with a line that says so.
"""

import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcloud.images.store import ImageConfig, ImageStore, key_of
from localcloud.images.trees import link_venv

CANNOT_RUN = "localcloud.cannot-run"
"""Label of an image, and of all that are built on it: why it cannot be run here."""
_UNKNOWN = "0+unknown"


@dataclass(frozen=True)
class _Content:
    """Packages and programs by which the image is known. packages: distribution → the module that it brings."""

    packages: dict[str, str]
    programs: tuple[str, ...] = ()


_TRANSFORMERS = {"transformers": "transformers"}
_TOOLKIT = {"sagemaker-huggingface-inference-toolkit": "sagemaker_huggingface_inference_toolkit", **_TRANSFORMERS}
_VLLM = {"vllm": "vllm", **_TRANSFORMERS}
_CONTENTS = {
    "huggingface-pytorch-inference-neuron": _Content(_TOOLKIT),
    "huggingface-pytorch-inference-neuronx": _Content(_TOOLKIT),
    "huggingface-pytorch-tgi-inference": _Content(
        {"text-generation-server": "text_generation_server", **_TRANSFORMERS}, ("text-generation-launcher",)
    ),
    "huggingface-vllm": _Content(_VLLM),
    "huggingface-vllm-inference-neuronx": _Content(_VLLM),
    "huggingface-vllm-omni": _Content({"vllm-omni": "vllm_omni", **_VLLM}),
    "huggingface-sglang": _Content({"sglang": "sglang", **_TRANSFORMERS}),
    "huggingface-llamacpp": _Content({}, ("llama-server",)),
    "tei": _Content({}, tuple(f"text-embeddings-router-{gpu}" for gpu in (75, 80, 90))),
    "tei-cpu": _Content({}, ("text-embeddings-router",)),
}
_REFERENCE = re.compile(
    r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<repository>[a-z-]+):(?P<tag>[^@\s]+)"
)


def kind_of(reference: str) -> str | None:
    """`<repository>:<tag>`; None if it is none of these."""
    match = _REFERENCE.match(reference)
    return f"{match['repository']}:{match['tag']}" if match and match["repository"] in _CONTENTS else None


def cannot_run(what: str) -> dict[str, str]:
    """The label of an image that cannot be run here."""
    return {
        CANNOT_RUN: f"The embedded AWS cannot run {what}: it has no such device. What is built on it can run on AWS."
    }


def base(kind: str, store: ImageStore) -> ImageConfig:
    """Makes the stand-in, unless it is there: a few seconds, no download. kind: from `kind_of`."""
    repository, _, tag = kind.partition(":")
    content = _CONTENTS[repository]
    runtime = f"{platform.python_implementation()} {platform.python_version()} {sys.platform} {platform.machine()}"
    plain = key_of("plain", runtime)
    packed = key_of("other", plain, kind, repr(content))

    def make_plain(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)

    def make_packed(folder: Path) -> None:
        venv = folder / "venv"
        link_venv(store.folder(plain) / "venv", venv)
        packages = next((venv / "lib").glob("python3.*")) / "site-packages"
        for name, module in content.packages.items():
            _write_package(packages, name, module, _version_of(name, tag))
        for name in content.programs:
            program = venv / "bin" / name
            program.write_text(f'#!/bin/sh\necho "{name} {tag}, a stand-in"\n[ "$*" = --version ]\n')
            program.chmod(0o755)

    silent: Callable[[str], None] = lambda line: None  # noqa: E731
    store.layer(plain, make_plain, silent)
    store.layer(packed, make_packed, silent)
    return ImageConfig(layers=(plain, packed), venv=packed, cmd=("serve",), labels=cannot_run(kind))


def _version_of(name: str, tag: str) -> str:
    """As the tag has it, where it has it: `0.29.0-transformers5.15.0-gpu-…`."""
    found = re.search(r"-transformers([0-9.]+)-", f"-{tag}-") if name == "transformers" else re.match(r"[0-9.]+", tag)
    return found[found.re.groups] if found else _UNKNOWN


def _write_package(packages: Path, name: str, module: str, version: str) -> None:
    """What pip would have left of a package that holds its version and nothing else; pip can replace it."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/INSTALLER": "pip\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    for path, text in files.items():
        file = packages / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
