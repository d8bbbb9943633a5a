"""Which of the processes that torchrun started failed first, and what it said. Standard library only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# `E1121 13:38:55.953000 1632 torch/distributed/elastic/…] failed (exitcode: 1) …`: from here on, torchrun speaks
_LAUNCHER = re.compile(r"^[WE]\d{4} [\d:.]+ \d+ .*torch/distributed/elastic/\S+\] (Sending process|failed)")
_FIRST = "Root Cause (first observed failure):"
_RANK = re.compile(r"^ *rank +: (\d+)")
_EXIT_CODE = re.compile(r"^ *exitcode +: (-?\d+)")
_OF_RANK = re.compile(r"^\[rank(\d+)\]: ?(.*)$")  # torch puts it before an exception that nobody took


@dataclass(frozen=True)
class FailedProcess:
    """rank: among all processes of the job. exit_code: negative where a signal ended it."""

    rank: int
    exit_code: int


def first_failed(lines: Sequence[str]) -> tuple[list[str], FailedProcess | None]:
    """What the process that failed first said, after what is said by all; None where torchrun reports nothing."""
    failed = _reported(lines)
    if failed is None:
        return list(lines), None
    end = next((number for number, line in enumerate(lines) if _LAUNCHER.match(line)), len(lines))
    kept: list[str] = []
    for line in lines[:end]:
        match = _OF_RANK.match(line)
        if match is None:
            kept.append(line)
        elif int(match[1]) == failed.rank:
            kept.append(match[2])
    return kept, failed


def _reported(lines: Sequence[str]) -> FailedProcess | None:
    starts = [number for number, line in enumerate(lines) if line.startswith(_FIRST)]
    if not starts:
        return None
    report = lines[starts[-1] : starts[-1] + 8]
    ranks = [int(match[1]) for line in report if (match := _RANK.match(line))]
    codes = [int(match[1]) for line in report if (match := _EXIT_CODE.match(line))]
    return FailedProcess(ranks[0], codes[0]) if ranks and codes else None
