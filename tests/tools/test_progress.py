"""Progress: never silent, with or without a terminal."""

import io
import time

from rich.console import Console

from hfsm.progress import Progress, seconds_text


def test_without_a_terminal_the_last_line_is_repeated_with_the_time() -> None:
    # Given something that says one line and then works in silence
    out = io.StringIO()
    with Progress(Console(file=out, width=100), "Building", quiet_seconds=0.6) as progress:
        progress.show("Collecting accelerate", "training")
        time.sleep(1.7)
    # Then lines go on appearing, and say what it is doing
    lines = out.getvalue().splitlines()
    assert lines[0] == "Building …"
    assert len(lines) >= 2
    assert "training: Collecting accelerate" in lines[1]


def test_what_has_said_nothing_yet_is_named() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=100), "Building", quiet_seconds=0.1):
        time.sleep(0.8)
    assert "waiting for: Building" in out.getvalue()


def test_on_a_terminal_title_and_last_lines_are_live() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    with Progress(console, "Building") as progress:
        progress.show("Collecting [accelerate]", "training")
        progress.note("a line that stays")
        time.sleep(0.3)
    assert "training: Collecting [accelerate]" in out.getvalue()
    assert "a line that stays" in out.getvalue()


def test_seconds_are_readable() -> None:
    assert [seconds_text(value) for value in (0.4, 59, 125)] == ["0 s", "59 s", "2 min 05 s"]
