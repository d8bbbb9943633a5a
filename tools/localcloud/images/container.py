"""Containers: a private copy of an image and a process tree that cannot outlive whoever started it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localcloud.images.paths import Paths
from localcloud.images.process_tree import ProcessTree
from localcloud.images.store import Image
from localcloud.images.trees import link_tree, remove_tree, stack_venv

# What a container may know of this machine: how to reach a package index. Never anybody's credentials.
_SHARED = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class Container:
    """One container of an image.

    Its folder gets a copy of the image's files, a virtual environment over the image's, `opt/ml` and a home: an
    installation inside it, or a file that it writes, is its own. create() makes them, remove() takes them away.
    start() runs the image's ENTRYPOINT with the given command in the place of its CMD, as `docker run IMAGE COMMAND`
    does.
    """

    def __init__(self, image: Image, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.opt_ml = folder / "opt/ml"
        self.paths = Paths(venv=folder / "venv", rootfs=folder / "rootfs", opt_ml=self.opt_ml, venv_below=image.venv)
        self._temporary: Path | None = None
        self._process: ProcessTree | None = None
        self._removed = False

    def create(self) -> None:
        stack_venv(self.image.venv, self.paths.venv)
        self.paths.rootfs.mkdir(parents=True)
        if self.image.rootfs:
            link_tree(self.image.rootfs, self.paths.rootfs)
        for name in ("opt/ml", "home"):
            (self.folder / name).mkdir(parents=True)
        if (self.paths.rootfs / "opt/ml").is_dir():  # what an image brings below /opt/ml stays visible, as on AWS
            link_tree(self.paths.rootfs / "opt/ml", self.opt_ml)
        # not below our folder: Unix sockets in it must have paths of less than 108 characters
        self._temporary = Path(tempfile.mkdtemp(prefix="localcloud-"))

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """What the processes see: the image's ENV, then values; paths of the container become ours."""
        machine = {name: value for name, value in os.environ.items() if name in _SHARED or name.startswith("PIP_")}
        inside = {**self.image.config.env, **values}
        return {
            "LANG": "C.UTF-8",
            **machine,
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            **{name: self.paths.outside(value) for name, value in inside.items()},
            "PATH": f"{self.paths.venv / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self._temporary),
            "TEMP": str(self._temporary),
        }

    def start(
        self,
        command: Sequence[str],
        values: Mapping[str, str],
        on_line: Callable[[str], None],
        *,
        entrypoint: Sequence[str] | None = None,
    ) -> None:
        """command: ["train"] or ["serve"]. on_line: gets every line of output, from a thread of its own.

        entrypoint: instead of the image's.
        """
        if self._removed:
            raise InterruptedError("the container was removed before its program could start")
        words = [self.paths.outside(word) for word in (*(entrypoint or self.image.config.entrypoint), *command)]
        workdir = self.paths.rootfs / self.image.config.workdir.lstrip("/")
        workdir.mkdir(parents=True, exist_ok=True)
        self._process = ProcessTree(words, cwd=workdir, environment=self.environment(values), on_line=on_line)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs (and before it started)."""
        return self._process.exit_code if self._process else None

    def wait(self, timeout: float) -> int | None:
        """The exit code, after all output was handed to on_line; None where it still runs after timeout seconds."""
        return self._process.wait(timeout) if self._process else None

    def terminate(self) -> None:
        """Sends SIGTERM to the container's first process, as AWS does before it takes an instance away."""
        if self._process:
            self._process.terminate()

    def kill(self) -> None:
        """Ends all its processes now. No effect where they ended already."""
        if self._process:
            self._process.kill()

    def remove(self) -> None:
        """Kills it and removes its folder."""
        self._removed = True
        self.kill()
        remove_tree(self.folder)
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)
