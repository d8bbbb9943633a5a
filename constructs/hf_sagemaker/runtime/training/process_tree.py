"""Which processes a training container has, and which of them a signal is meant for. Standard library only."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HOST_NAME_SHIM = "start_with_right_hostname.sh"
_LAUNCHERS = {"torchrun", "torch.distributed.run", "accelerate", "mpirun", "orted", "smddprun"}
_WORKERS = ("multiprocessing.spawn", "multiprocessing.resource_tracker", "multiprocessing.forkserver")

# Parent and command line, by process id.
ProcessTable = dict[int, tuple[int, list[str]]]


def receivers(root: int, table: ProcessTable) -> list[int]:
    """The processes to which a signal is forwarded: all below `root`, and those that lost their parent, but

    - not the toolkit, while it has a script: it reads the script's output, and the script's next line would find a
      broken pipe. It ends by itself when the script has ended.
    - not what starts several processes of a script (torchrun, accelerate, mpirun), while it has any: it would give them
      30 seconds to save, and then report a failure. It ends by itself, too.
    - not worker processes (of a DataLoader, say): torch takes the end of one for an error and raises it in the script.
      They are known by their parent's command line, which a fork shares, or by multiprocessing's own.

    table: see `processes`.
    """
    toolkit = _toolkit(root, table)
    everyone = [pid for pid in descendants(os.getpid(), table) if pid in table]
    others = [pid for pid in everyone if pid not in toolkit and not _is_worker(pid, table)]
    scripts = [pid for pid in others if not _is_launcher(pid, table)]
    return scripts or others or everyone


def _toolkit(root: int, table: ProcessTable) -> set[int]:
    """`train`, and the shell that gives the container its host name before. Empty where another command runs."""
    found = set()
    for pid in [root, *descendants(root, table)]:
        names = {Path(word).name for word in table.get(pid, (0, []))[1][:3]}
        if HOST_NAME_SHIM in names:
            found.add(pid)
        elif "train" in names:
            return {*found, pid}
    return found


def _is_launcher(pid: int, table: ProcessTable) -> bool:
    return any(Path(word).name in _LAUNCHERS for word in table[pid][1][:3])


def _is_worker(pid: int, table: ProcessTable) -> bool:
    parent, words = table[pid]
    if any(name in word for name in _WORKERS for word in words):
        return True
    return parent != os.getpid() and parent in table and table[parent][1] == words


def processes() -> ProcessTable:
    """Parent and command line of every process that can be seen."""
    return dict(_read_processes())


def _read_processes() -> Iterator[tuple[int, tuple[int, list[str]]]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # `pid (name) state parent …`, where the name may hold anything
            parent = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
        except (OSError, IndexError, ValueError):
            continue  # it has ended meanwhile
        yield int(folder.name), (parent, words)


def descendants(root: int, table: ProcessTable) -> list[int]:
    """Children, their children and so on."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def send(pid: int, number: int) -> None:
    """Sends a signal; a process that has ended meanwhile is none to send it to."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
