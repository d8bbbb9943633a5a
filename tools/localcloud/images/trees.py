"""Copies of folders that cost no disk space: hard links, of which each side may be replaced but never written into."""

import os
import shutil
from pathlib import Path

_LONGEST_SHEBANG = 127  # the kernel's limit, where it is lowest


def link_tree(source: Path, target: Path) -> None:
    """Fills target, an existing or a new folder, with hard links to the files of source; links stay links.

    A file that is already there is replaced. Where the file system has no hard links, files are copied.
    """
    target.mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            path = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                link_tree(Path(entry.path), path)
                continue
            try:
                os.link(entry.path, path, follow_symlinks=False)
            except FileExistsError:
                path.unlink()
                os.link(entry.path, path, follow_symlinks=False)
            except (OSError, NotImplementedError):
                shutil.copy2(entry.path, path, follow_symlinks=False)


def remove_tree(folder: Path) -> None:
    """Removes a folder and what is below it, also below folders that nobody may write."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir():
        for path, _, _ in os.walk(folder):
            Path(path).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def link_venv(source: Path, target: Path) -> None:
    """A copy of a virtual environment that works at its new place: its programs name its own interpreter."""
    link_tree(source, target)
    _move_programs(source, target)


def stack_venv(source: Path, target: Path) -> None:
    """A virtual environment over another one: it has what that has, and keeps to itself what is installed into it.

    It costs a hundred files in the place of tens of thousands. What is installed hides the source's own version, which
    stays; nothing of the source can be uninstalled.
    """
    target.mkdir(parents=True)
    for name in ("pyvenv.cfg", "lib64"):
        if (source / name).exists():
            shutil.copy2(source / name, target / name, follow_symlinks=False)
    link_tree(source / "bin", target / "bin")
    _move_programs(source, target)
    packages = site_packages(source)
    own = target / packages.relative_to(source)
    own.mkdir(parents=True)
    # Not the path alone: the source has files of this kind too, and Python reads those of such a folder only.
    (own / "_below.pth").write_text(f"import site; site.addsitedir({str(packages)!r})\n")


def site_packages(venv: Path) -> Path:
    """Where its packages are installed."""
    return next((venv / "lib").glob("python3.*")) / "site-packages"


def _move_programs(source: Path, target: Path) -> None:
    """Programs that name the source's interpreter get the target's."""
    for program in (target / "bin").iterdir():
        if program.is_symlink() or not program.is_file():
            continue
        text = program.read_bytes()
        if (moved := _moved(text, os.fsencode(source), os.fsencode(target))) == text:
            continue
        mode = program.stat().st_mode
        program.unlink()  # the file itself is shared with the source
        program.write_bytes(moved)
        program.chmod(mode)


def _moved(text: bytes, source: bytes, target: bytes) -> bytes:
    first, _, rest = text.partition(b"\n")
    if first.startswith(b"#!" + source + b"/bin/"):
        interpreter = target + first.removeprefix(b"#!" + source)
        if b" " in interpreter or len(interpreter) + 2 > _LONGEST_SHEBANG:
            # what pip writes for such paths: a shell line that Python reads as a string
            return b"#!/bin/sh\n'''exec' \"" + interpreter + b'" "$0" "$@"\n' + b"' '''\n" + rest
        return b"#!" + interpreter + b"\n" + rest
    return text.replace(source + b"/", target + b"/") if text[:2] == b"#!" else text
