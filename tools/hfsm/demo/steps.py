"""Runs the steps of a demo in order: each has a log of its own, and a failure says where to look."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from hfsm.errors import AWS_ERRORS, OperatorError, explain_aws_error
from hfsm.progress import QUIET_SECONDS, Progress, seconds_text

TAIL_LINES = 20


class StepLog:
    """Where a step says what it does: every line goes to its log, the last one to the screen."""

    def __init__(self, file: TextIO, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._started = time.monotonic()

    def line(self, text: str, slot: str = "") -> None:
        """A line of the log. slot: which of the things that run side by side says it."""
        prefix = f"{slot}: " if slot else ""
        self._file.write(f"{time.monotonic() - self._started:8.1f} {prefix}{text.rstrip()}\n")
        self._file.flush()
        self._progress.show(text, slot)

    def show(self, text: str, slot: str = "") -> None:
        """A line for the screen alone: a summary of what the log says."""
        self._progress.show(text, slot)

    def note(self, text: str) -> None:
        """A line of the log that also stays on the screen."""
        self.line(text)
        self._progress.note(f"     {text}")


@dataclass(frozen=True)
class Step:
    """One step. name: of its log file.

    title: for people. action: does it, and returns a sentence about the result.
    """

    name: str
    title: str
    action: Callable[[StepLog], str]


class StepFailedError(OperatorError):
    """A step failed: which one, why, the end of its log, and where the whole log is."""


def run_steps(
    steps: Sequence[Step], logs_dir: Path, console: Console, quiet_seconds: float = QUIET_SECONDS
) -> dict[str, float]:
    """Run the steps in order. Returns the seconds that each took, by its name.

    Raises StepFailedError at the first failure. An interruption passes through: what a step started is its
    own to end.
    """
    logs_dir.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    for number, step in enumerate(steps, start=1):
        path = logs_dir / f"{number:02d}-{step.name}.log"
        title = f"[{number}/{len(steps)}] {step.title}"
        started = time.monotonic()
        with path.open("w", encoding="utf-8") as file, Progress(console, title, quiet_seconds) as progress:
            try:
                result = step.action(StepLog(file, progress))
            except Exception as error:
                raise StepFailedError(_failure(title, error, time.monotonic() - started, file, path)) from error
        seconds[step.name] = time.monotonic() - started
        line = Text.assemble(("✓", "green"), f" {title} · {seconds_text(seconds[step.name])}", (f" · {result}", "dim"))
        console.print(line, soft_wrap=True)
    return seconds


def _failure(title: str, error: Exception, seconds: float, file: TextIO, path: Path) -> str:
    file.flush()
    tail = path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    if isinstance(error, OperatorError):
        reason = error.message
    else:
        # The log ends with what the step said; how the program came there is for those who open the whole
        # log.
        file.write("".join(traceback.format_exception(error)))
        known = isinstance(error, AWS_ERRORS)
        reason = explain_aws_error(error, "the embedded AWS") if known else f"{type(error).__name__}: {error}"
    shown = "".join(f"  | {line}\n" for line in tail)
    return (
        f"{title} failed after {seconds_text(seconds)}: {reason}\n"
        + (f"The end of its log:\n{shown}" if shown else "")
        + f"The whole log: {path}"
    )
