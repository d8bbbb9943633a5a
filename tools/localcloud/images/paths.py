"""Paths as a container sees them, and where they are on this machine."""

from dataclasses import dataclass
from pathlib import Path

from localcloud.images.deep_learning_containers import VENV


@dataclass(frozen=True, kw_only=True)
class Paths:
    """A container's file system without a kernel's help: three folders of ours under the paths that it knows.

    Nothing is mounted, so programs see our paths; what a Dockerfile or a request says in the container's terms is
    rewritten before it reaches them.

    venv, rootfs: what the image brings. opt_ml: what SageMaker mounts at /opt/ml, if it does.
    venv_below: the virtual environment over which that one is stacked, if it is.
    """

    venv: Path
    rootfs: Path
    opt_ml: Path | None = None
    venv_below: Path | None = None

    def outside(self, text: str) -> str:
        """The path on this machine, if text is a path that the container has (or a list of them with colons).

        Everything else comes back as it is: /usr/bin is the machine's own.
        """
        return ":".join(self._outside(part) for part in text.split(":"))

    def _outside(self, text: str) -> str:
        if not text.startswith("/"):
            return text
        if self.opt_ml and _below(text, "/opt/ml"):
            return f"{self.opt_ml}{text.removeprefix('/opt/ml')}"
        if _below(text, VENV):
            return self._in_venv(text.removeprefix(VENV))
        inside = self.rootfs / text.lstrip("/")
        return str(inside) if text != "/" and inside.exists() else text

    def _in_venv(self, rest: str) -> str:
        own = f"{self.venv}{rest}"
        below = f"{self.venv_below}{rest}"
        return below if self.venv_below and not Path(own).exists() and Path(below).exists() else own


def _below(text: str, folder: str) -> bool:
    return text == folder or text.startswith(f"{folder}/")
