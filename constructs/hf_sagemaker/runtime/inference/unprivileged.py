"""First process of the serving container: gives root away, then becomes the server.

    python unprivileged.py SERVE serve

SageMaker starts containers as root and wants it so: a model's files may be readable by root alone, as safetensors
writes them. So root makes the model readable and a scratch folder, and is gone before anything of the model is loaded:
the server cannot change the image's code, nor the model. Nothing happens outside a container, for other commands than
`serve`, and for the toolkit's server, which writes into /etc.
"""

import ctypes
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SERVING_USER = 10001
"""Number of the user, and of its group. Nobody in the image has it, so that no file is its own."""
_NO_NEW_PRIVILEGES = 38  # prctl(2)
_NAME = "serving"


def main(command: Sequence[str]) -> None:
    """Replaces this process by Python with that command: a script and its arguments."""
    # The first process of a container, or what that has started: a build's check starts the server so.
    in_container = 1 in (os.getpid(), os.getppid())
    serves = list(command[1:]) in ([], ["serve"])
    if in_container and serves and os.geteuid() == 0 and _server(Path(command[0]).parent) == "batching":
        model = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"), "model")
        kept = next(needs_root(model, Path(sys.executable), Path(command[0])), None)
        if kept:
            print(f"the server stays root, since without it {kept} could not be used", flush=True)
        else:
            give_root_away()
    os.execv(sys.executable, [sys.executable, *command])


def needs_root(model: Path, *programs: Path) -> Iterator[Path]:
    """What another user could not use, after the model was made readable as far as it can be.

    Of the model's files, the GPUs, and the folders in which the programs are.
    """
    for program in programs:
        for folder in (*program.absolute().parents, *program.resolve().parents):
            if not _made_usable(folder, 0o001, change=False):
                yield folder
    folders = [model.parent, model] if model.is_dir() else []
    for path in [*folders, *(model.rglob("*") if folders else ())]:
        wanted = 0o005 if path.is_dir() else 0o004
        if not _made_usable(path, wanted):
            yield path
    for device in Path("/dev").glob("nvidia*"):
        if not device.is_dir() and not _made_usable(device, 0o006, change=False):
            yield device


def _made_usable(path: Path, wanted: int, *, change: bool = True) -> bool:
    """Whether everybody has those permissions. A mount may be read-only, and a link may lead nowhere."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & wanted != wanted and change:
            path.chmod(mode | wanted)
            mode |= wanted
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return mode & wanted == wanted


def give_root_away() -> None:
    """From here on, this process and all that it starts are an ordinary user with a scratch folder, and stay it."""
    scratch = tempfile.mkdtemp(prefix="serving-")
    os.chown(scratch, SERVING_USER, SERVING_USER)
    os.environ.update({"HOME": scratch, "TMPDIR": scratch, "USER": _NAME, "LOGNAME": _NAME})
    os.setgroups([])
    os.setgid(SERVING_USER)
    os.setuid(SERVING_USER)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.chdir(scratch)


def _server(folder: Path) -> str:
    """As image_settings.json says it; the default where there is none."""
    settings = folder / "image_settings.json"
    return str(json.loads(settings.read_text()).get("server", "batching")) if settings.is_file() else "batching"


if __name__ == "__main__":
    main(sys.argv[1:])
