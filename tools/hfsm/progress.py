"""Shows that something goes on: elapsed time and a live last line, in place on a terminal, elsewhere line by line."""

import os
import threading
import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

QUIET_SECONDS = 8.0
LINE_LENGTH = 100


def make_console(*, stderr: bool = False) -> Console:
    """A console that does not break tables in logs, where no terminal tells its width."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 120
    return console


def seconds_text(seconds: float) -> str:
    """`8 s`, `2 min 05 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Progress:
    """A context in which `show` replaces the live last line and `note` prints a line that stays.

    Without a terminal a line is printed at least every `quiet_seconds`, with the last thing shown or, where
    nothing was shown, with the title: nobody has to guess whether it hangs.
    """

    def __init__(self, console: Console, title: str, quiet_seconds: float = QUIET_SECONDS) -> None:
        self.console = console
        self.title = title
        self.quiet_seconds = quiet_seconds
        self.started = time.monotonic()
        self._lines: dict[str, str] = {}
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        self._printed = time.monotonic()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    @property
    def seconds(self) -> float:
        """Seconds since this began."""
        return time.monotonic() - self.started

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._live = Live(console=self.console, get_renderable=self._render, refresh_per_second=8, transient=True)
            self._live.start()
        else:
            self.note(f"{self.title} …")
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()

    def show(self, line: str, slot: str = "") -> None:
        """The live last line. slot: things that run side by side have a line each."""
        stripped = line.strip()
        if stripped:
            self._lines[slot] = stripped

    def note(self, line: str) -> None:
        """A line that stays."""
        self._printed = time.monotonic()
        self.console.print(Text(line), soft_wrap=True)

    def _last_lines(self) -> list[str]:
        return [f"{slot}: {line}" if slot else line for slot, line in list(self._lines.items())]

    def _render(self) -> RenderableType:
        head = Text(f"{self.title} · {seconds_text(self.seconds)}")
        self._spinner.update(text=head)
        rows: list[RenderableType] = [self._spinner]
        for line in self._last_lines():
            rows.append(Text(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*rows)

    def _tick(self) -> None:
        while not self._ended.wait(0.5):
            if time.monotonic() - self._printed < self.quiet_seconds:
                continue
            last = " | ".join(line[:LINE_LENGTH] for line in self._last_lines()) or f"waiting for: {self.title}"
            self.note(f"  {seconds_text(self.seconds):>10} · {last}")
