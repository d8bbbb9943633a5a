"""What the processes of a distributed run must agree on. With one process, everybody agrees."""

import socket
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from checkpoints import finish, newest_intact, remove_newer, sizes, step_of
from reporting import say


def count() -> int:
    """Processes that train together, over all instances."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Of this one among them; 0 is the one that saves and reports."""
    return dist.get_rank() if count() > 1 else 0


def introduce() -> None:
    """One line per process, so that the log of each instance shows which ones it has."""
    if count() > 1:
        say("process", rank=rank(), processes=count(), host=socket.gethostname(), backend=dist.get_backend())


def any_of_us(mine: bool, device: torch.device) -> bool:
    """Whether any process says yes. All must ask, at the same step.

    A signal reaches the instances at different moments; one process that stops a step early leaves the others waiting
    for it.
    """
    if count() == 1:
        return mine
    said = torch.tensor([int(mine)], device=device)
    dist.all_reduce(said, op=dist.ReduceOp.MAX)
    return bool(said.item())


def agreed_checkpoint(folder: Path, local_process: int) -> Path | None:
    """The newest whole checkpoint as process 0 sees it; None where there is none.

    What is newer is removed, by the first process of each instance. SystemExit: it is not on this instance.
    """
    chosen: list[Any] = [None]
    if rank() == 0:
        newest = newest_intact(folder)
        chosen = [newest.name if newest else None]
    if count() > 1:
        dist.broadcast_object_list(chosen, src=0)
    path = folder / chosen[0] if chosen[0] else None
    if path and not path.is_dir():
        raise SystemExit(f"{path.name}, from which process 0 goes on, is not on the instance of process {rank()}")
    if local_process == 0:
        remove_newer(folder, step_of(path) if path else 0)
    return path


def finish_checkpoint(checkpoint: Path) -> None:
    """Once all processes have written their parts, process 0 writes what makes the checkpoint count."""
    parts: list[Any] = [sizes(checkpoint)]
    if count() > 1:
        dist.barrier()  # those on one instance write into one folder: only now is it at rest
        parts = [None] * count()
        dist.all_gather_object(parts, sizes(checkpoint))
    if rank() == 0:
        finish(checkpoint, {name: size for part in parts for name, size in part.items()}, count())
