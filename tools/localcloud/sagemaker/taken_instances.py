"""Spot instances that are taken away: when somebody asks for it, or as a fault that was ordered."""

import contextlib
import threading
import time
from pathlib import Path

import psutil

from localcloud import faults
from localcloud.faults import Interruption, Uploads
from localcloud.sagemaker.training_cluster import TrainingCluster

_LOOK_EVERY = 0.001  # seconds, of a folder that is being written: a small checkpoint takes some ten milliseconds
_LIST_EVERY = 1.0  # seconds, of the processes to be stopped: to list them takes longer than to write a checkpoint
_SOON = 0.02  # seconds, of whether an interruption was ordered that has come: small models do many steps in a second
_SELDOM = 0.2


class TakenInstances:
    """Whether, when and how one life of a job's instances ends. Only a job on spot loses them."""

    def __init__(self, job_name: str, *, on_spot: bool) -> None:
        self._name = job_name
        self._on_spot = on_spot
        self._wanted: Interruption | None = None
        self._watching: threading.Thread | None = None
        self._over = threading.Event()

    @property
    def wanted(self) -> bool:
        return self._wanted is not None

    @property
    def look_every(self) -> float:
        """Seconds between two calls of `look`."""
        return _SOON if self._on_spot and faults.waiting(Interruption) else _SELDOM

    @property
    def cuts_uploads(self) -> bool:
        return self._wanted is not None and self._wanted.uploads != "all"

    @property
    def notice_seconds(self) -> float:
        """0: what runs there is killed at once."""
        return 0.0 if self._wanted is None or self._wanted.while_saving else self._wanted.notice_seconds

    def end(self) -> Uploads:
        """Looks no more; what reaches S3 of what is there now."""
        self._over.set()
        if self._watching:
            self._watching.join()
        return self._wanted.uploads if self._wanted else "all"

    def want(self, interruption: Interruption) -> None:
        """They are taken away as soon as somebody looks."""
        self._wanted = interruption

    def hear(self, line: str) -> None:
        """A line of the job's log."""
        if self._on_spot and not self.wanted:
            self._wanted = faults.take(
                Interruption,
                lambda fault: self._mine(fault) and not fault.while_saving and faults.named(fault.at_line or "*", line),
            )

    def look(self, cluster: TrainingCluster) -> bool:
        """Whether they are to be taken away now."""
        if self._on_spot and self._watching is None:
            fault = faults.find(Interruption, lambda fault: self._mine(fault) and bool(fault.while_saving))
            if fault:
                self._watching = threading.Thread(
                    target=self._watch_saves, args=(cluster, fault), name=f"saves of {self._name}", daemon=True
                )
                self._watching.start()
        return self.wanted

    def _mine(self, fault: Interruption) -> bool:
        return faults.named(fault.interrupt, self._name)

    def _watch_saves(self, cluster: TrainingCluster, fault: Interruption) -> None:
        processes: list[psutil.Process] = []
        listed = 0.0
        while not self._over.wait(_LOOK_EVERY) and not self.wanted:
            if time.monotonic() - listed > _LIST_EVERY:
                processes, listed = _processes(cluster.pids), time.monotonic()
            if not any(_half_saved(folder, fault) for folder in cluster.checkpoint_folders):
                continue
            # Whoever ends this life finds them so, and kills them.
            _suspend(processes)
            time.sleep(_LOOK_EVERY)
            # It may have been finished between the look and the stop.
            if any(_half_saved(folder, fault) for folder in cluster.checkpoint_folders):
                self._wanted = faults.take(Interruption, lambda each: each is fault)
            if not self.wanted:
                for process in processes:
                    with contextlib.suppress(psutil.Error):
                        process.resume()


def _half_saved(checkpoints: Path, fault: Interruption) -> bool:
    try:
        return any(
            folder.is_dir() and any(folder.iterdir()) and not (folder / fault.last_file).exists()
            for folder in checkpoints.glob(fault.while_saving)
        )
    except FileNotFoundError:  # an old one has just been removed
        return False


def _processes(holders: list[int]) -> list[psutil.Process]:
    """All that run below these."""
    found: list[psutil.Process] = []
    for pid in holders:
        with contextlib.suppress(psutil.Error):
            found += psutil.Process(pid).children(recursive=True)
    return found


def _suspend(processes: list[psutil.Process]) -> None:
    """They stand still from now on."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.suspend()
