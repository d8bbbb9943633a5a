"""Installs requirements over a base image, and holds its PyTorch as it is: `python install_requirements.py FILE`.

Requirements with hashes name everything that is to be installed: nothing else is. Without hashes pip also installs what
they depend on and the image lacks; whatever PyTorch consists of is constrained to the version that is there, so that a
requirement which wants another one fails the build, in pip's own words, instead of replacing it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

KEPT = ("torch", "triton", "nvidia-", "cuda-")
"""How the names of the distributions begin that PyTorch and its CUDA consist of."""


def constraints() -> list[str]:
    """What is installed of PyTorch, as requirements that nothing else fulfils."""
    installed = {distribution.metadata["Name"].lower(): distribution.version for distribution in distributions()}
    return sorted(f"{name}=={version}" for name, version in installed.items() if name.startswith(KEPT))


def arguments(requirements: Path, folder: Path) -> list[str]:
    """What pip is to do. folder: for the file of constraints."""
    install = ["install", "--no-cache-dir", "--requirement", str(requirements)]
    if "--hash=" in requirements.read_text(encoding="utf-8"):
        return [*install, "--no-deps", "--require-hashes"]
    kept = folder / "kept.txt"
    kept.write_text("".join(f"{line}\n" for line in constraints()), encoding="utf-8")
    return [*install, "--constraint", str(kept)]


def main(command: Sequence[str]) -> int:
    """pip's exit code; 2 where the file is not named."""
    if len(command) != 1:
        print("install_requirements.py needs one argument: a requirements file", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", *arguments(Path(command[0]), Path(folder))]
        # Debian marks its Python as its own, and pip would refuse. Nobody but this build installs into an image.
        environment = {**os.environ, "PIP_BREAK_SYSTEM_PACKAGES": "1"}
        return subprocess.run(pip, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
