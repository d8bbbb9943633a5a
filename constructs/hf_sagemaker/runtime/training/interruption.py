"""What SIGTERM means to the training script: a spot interruption, a stop, or the end of the allowed time."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(BaseException):
    """Ends the script from wherever it is. Not an Exception, so that no library takes it for an error of its own."""


class Interruption:
    """Takes SIGTERM and SIGINT.

    While nothing is at stake the signal ends the script at once, by raising Interrupted. Inside `deferred()` it is
    noted only, and the code there looks at `requested` where it can stop.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False

    def install(self) -> None:
        """From here on. Must be called in the main thread."""
        signal.signal(signal.SIGTERM, self._receive)
        signal.signal(signal.SIGINT, self._receive)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            return  # a launcher and our entry point may both send it
        self.requested = True
        if not self._deferred:
            raise Interrupted
