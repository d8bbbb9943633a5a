"""What a training job says when it fails: SageMaker shows the first 1,024 characters of /opt/ml/output/failure.

The training toolkit leaves there the name of its own error with an empty message, or its own traceback, which pushes
the script's beyond what is shown.
"""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from failed_process import FailedProcess, first_failed

LENGTH = 1024

_TOOLKIT_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ sagemaker-training-toolkit ")
_TOOLKIT_ENDS = re.compile(
    r"sagemaker-training-toolkit .*(Waiting for the process to finish|Done waiting for a return code|"
    r"Encountered exit_code|Reporting training FAILURE)"
)
_TOOLKIT_STARTS = "Invoking script with the following command:"
_TOOLKIT_MESSAGE = re.compile(r"^(Framework Error|ExecuteUserScriptError)\b")
_EXIT_CODE = re.compile(r"^ExitCode (-?\d+)$")
_TRACEBACK = "Traceback (most recent call last):"
_LOST_PEERS = re.compile(
    r"Connection (closed|reset) by peer|DistBackendError|DistNetworkError|DistStoreError|Broken pipe|"
    r"remote process exited|client socket has (timed out|failed to connect)"
)
_OTHER_INSTANCES = "\n\nA process on another instance ended before this one; its log stream says why."


def write(path: Path, lines: Sequence[str], exit_code: int) -> str:
    """Writes the reason to `path`, unless the script wrote one there itself; returns what is there now.

    lines: the last ones of the job's output, toolkit and script.
    """
    present = path.read_text(errors="replace").strip() if path.is_file() else ""
    if present and not _TOOLKIT_MESSAGE.match(present):
        return present
    path.parent.mkdir(parents=True, exist_ok=True)
    text = reason(lines, exit_code) or present[:LENGTH]
    if is_loss_of_peers(text):
        text = text[: LENGTH - len(_OTHER_INSTANCES)] + _OTHER_INSTANCES
    path.write_text(text)
    return text


def is_loss_of_peers(text: str) -> bool:
    """Whether a process ended because others that it trained with were gone: they are the ones to ask why."""
    return _LOST_PEERS.search(text.partition("\n")[0]) is not None


def reason(lines: Sequence[str], exit_code: int) -> str:
    """The exception first, if there was one; then as many of the lines before it as there is room for.

    Of several processes it is that of the one which failed first.
    """
    own, failed = first_failed(_own_lines(lines))
    traceback = max((n for n, line in enumerate(own) if line.startswith(_TRACEBACK)), default=None)
    if traceback is None:
        said = _ended_by(lines, exit_code, failed)
        return _with_end_of(own, f"{said} Its last lines:") if own else said
    start = traceback + 1
    while start < len(own) and (not own[start] or own[start].startswith((" ", "\t"))):
        start += 1  # the frames
    return _with_end_of(own[:start], "\n".join(own[start:]), "\n\nThe lines before it:")


def _own_lines(lines: Sequence[str]) -> list[str]:
    """Without what the toolkit says before the script starts, about itself, and after the script has ended."""
    own: list[str] = []
    if _TOOLKIT_STARTS in lines:
        start = len(lines) - 1 - list(reversed(lines)).index(_TOOLKIT_STARTS)
        lines = lines[start + 3 :]  # an empty line and the command follow
    for line in lines:
        if _TOOLKIT_ENDS.search(line):
            break
        if not _TOOLKIT_LINE.match(line):
            own.append(line.rstrip())
    filled = [number for number, line in enumerate(own) if line]
    return own[filled[0] : filled[-1] + 1] if filled else []


def _ended_by(lines: Sequence[str], exit_code: int, failed: FailedProcess | None) -> str:
    codes = [int(match[1]) for line in lines if (match := _EXIT_CODE.match(line.strip()))]
    code = codes[-1] if codes else exit_code
    who = "The script"
    if failed:
        code, who = failed.exit_code, f"Process {failed.rank} of the script"
    number = -code if code < 0 else code - 128
    if number not in signal.valid_signals():
        return f"{who} ended with exit code {code}."
    hint = ", most often because memory ran out" if number == signal.SIGKILL else ""
    return f"{who} was ended by {signal.Signals(number).name}{hint}."


def _with_end_of(lines: Sequence[str], first: str, between: str = "") -> str:
    """`first`, `between` and the last of the lines, as many as there is room for."""
    text = first if len(first) <= LENGTH else f"{first[: LENGTH - 1]}…"
    room = LENGTH - len(text) - len(between)
    shown: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        shown.insert(0, line)
    if not shown and lines and not between:
        shown = [f"{lines[-1][: LENGTH - len(text) - 2]}…"]  # one line that is longer than all the room
    return "\n".join([text + between, *shown]) if shown else text
