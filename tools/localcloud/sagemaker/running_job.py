"""A job's life: in a thread of its own, from its creation to its end, whatever it does in between."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Any

from moto.core.utils import utcnow

from localcloud.images.store import UnknownImageError
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.training_input import LONGEST_REASON

_logger = logging.getLogger(__name__)


class JobFailedError(Exception):
    """The job failed; the message is its FailureReason."""


class JobStoppedError(Exception):
    """The job was told to stop, or has used up its time."""


class RunningJob(ABC):
    """A job that only runs once. Subclasses say what it does.

    kind: as in ARNs. request: as it was created, without defaults.
    """

    kind: str

    def __init__(self, compute: Compute, request: dict[str, Any], account: str, region: str, name: str, arn: str):
        self.compute = compute
        self.request = request
        self.account = account
        self.region = region
        self.name = name
        self.arn = arn
        self.tags: list[dict[str, str]] = request.get("Tags") or []
        self.creation_time = self.last_modified_time = utcnow()
        self.start_time: datetime | None = None
        self.end_time: datetime | None = None
        self.status = "InProgress"
        self.failure_reason: str | None = None
        self._began = time.monotonic()
        self._stop_requested = threading.Event()
        self._lock = threading.RLock()

    @abstractmethod
    def work(self) -> None:
        """All of it. JobFailedError: it has failed, and why; JobStoppedError: it stopped when it was told to."""

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"{self.kind}-{self.name}", daemon=True).start()

    def stop(self) -> None:
        """No effect on a job that has ended."""
        with self._lock:
            if self.status == "InProgress":
                self.status = "Stopping"
                self.last_modified_time = utcnow()
                self._stop_requested.set()

    def check_limits(self, max_runtime: float | None = None) -> None:
        """JobStoppedError: it was told to stop, everything is being stopped, or it has run for so many seconds."""
        if self._stop_requested.is_set() or self.compute.stopping.is_set():
            raise JobStoppedError
        if max_runtime is not None and time.monotonic() - self._began > max_runtime:
            raise JobStoppedError

    def begin(self) -> None:
        """From here on it runs: before, it was only prepared."""
        self.start_time = utcnow()
        self._began = time.monotonic()

    def described(self, members: dict[str, Any]) -> dict[str, Any]:
        """A Describe call's answer: the request, and these members where they are not None."""
        with self._lock:
            answer = {
                **{name: value for name, value in self.request.items() if name != "Tags"},
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
                "FailureReason": self.failure_reason,
                **members,
            }
        return {name: value for name, value in answer.items() if value is not None}

    def _run(self) -> None:
        status, reason = "Completed", None
        try:
            self.work()
        except JobStoppedError:
            status = "Stopped"
        except JobFailedError as failure:
            status, reason = "Failed", str(failure)
        except (UnknownImageError, NoSuchDataError) as failure:
            status, reason = "Failed", f"ClientError: {failure}"
        except Exception as error:
            if not self.compute.stopping.is_set():
                _logger.exception("%s %s", self.kind, self.name)
            status, reason = "Failed", f"InternalServerError: {type(error).__name__}: {error}"
        with self._lock:
            self.end_time = self.last_modified_time = utcnow()
            self.failure_reason = reason[:LONGEST_REASON] if reason else None
            self.status = status


def wait_for(ended: Callable[[float], object], check: Callable[[], None], *, every: float = 0.2) -> None:
    """Waits until `ended` (which takes seconds) answers anything but None; what `check` raises ends it sooner."""
    while ended(every) is None:
        check()
