"""An image with Python and one program, and nothing else: its containers are there at once."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.images.store import ImageConfig, ImageStore, key_of, manifest_of


def bare_image(localcloud: Any, text: str, name: str, files: Mapping[str, str] | None = None) -> str:
    """`<repository>@<digest>` of an image that runs a program of that text, in a new repository of that name.

    files: path below / → text, of further programs. Omitted: none.
    """
    files = {"opt/program.py": text, **(files or {})}
    store = ImageStore(Path(os.environ.get("HFSM_IMAGE_STORE") or localcloud.state_dir / "images"))

    def install_python(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)

    def install_program(folder: Path) -> None:
        for path, content in files.items():
            (folder / "rootfs" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "rootfs" / path).write_text(content)

    python, program = key_of("bare", sys.executable, sys.version), key_of("bare", json.dumps(files))
    store.layer(python, install_python)
    store.layer(program, install_program)
    entrypoint = ("python3", "/opt/program.py")
    config = ImageConfig(layers=(python, program), venv=python, rootfs=program, entrypoint=entrypoint)
    ecr = localcloud.client("ecr")
    repository = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
    digest = store.add(config).digest
    ecr.put_image(repositoryName=name, imageTag="1", imageManifest=manifest_of(config), imageDigest=digest)
    return f"{repository}@{digest}"
