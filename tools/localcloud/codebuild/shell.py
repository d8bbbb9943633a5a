"""Runs the commands of a phase in bash, as CodeBuild does: what one command sets, the next one sees."""

import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.images.process_tree import ProcessTree

# Variables and the folder survive from phase to phase, though each phase has a bash of its own: one that a command
# ended with `exit` must not end the build with it.
_PROLOGUE = """
if [ -f {state} ]; then . {state} 2>/dev/null; cd "$(cat {folder})" || exit 1; fi
trap 'declare -p > {state}; pwd > {folder}' EXIT
"""
_COMMAND = """
command={command}
printf '[Container] %(%Y/%m/%d %H:%M:%S)T Running command %s\\n' -1 "$command"
printf '%s' "$command" > {running}
eval "$command"
code=$?
[ $code -eq 0 ] || exit $code
"""


@dataclass(frozen=True)
class CommandFailure:
    """The command of a phase that ended it, and its exit code."""

    command: str
    code: int

    def __str__(self) -> str:
        return f"Error while executing command: {self.command}. Reason: exit status {self.code}"


class BuildShell:
    """Phases of one build. sources: where the first begins. state: a folder for what is remembered between them."""

    def __init__(self, sources: Path, state: Path, on_line: Callable[[str], None]) -> None:
        self._sources = sources
        self._state = state
        self._on_line = on_line
        self._stopped = threading.Event()
        self._tree: ProcessTree | None = None

    def run(
        self, commands: Sequence[str], environment: Mapping[str, str], changes: Mapping[str, str], timeout: float
    ) -> CommandFailure | None:
        """None: all commands succeeded. changes: variables that are set anew, whatever commands made of them.

        TimeoutError: they took longer than timeout (seconds) and were killed.
        """
        if not commands or self._stopped.is_set():
            return None
        names = {name: shlex.quote(str(self._state / name)) for name in ("state", "folder", "running")}
        script = self._state / "phase.sh"
        script.write_text(
            _PROLOGUE.format(**names)
            + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in changes.items())
            + "".join(_COMMAND.format(command=shlex.quote(command), **names) for command in commands)
        )
        command = ["bash", "--noprofile", "--norc", str(script)]
        self._tree = ProcessTree(command, cwd=self._sources, environment=environment, on_line=self._on_line)
        if self._stopped.is_set():
            self._tree.kill()
        code = self._tree.wait(timeout)
        if code is None:
            self._tree.kill()
            raise TimeoutError
        running = self._state / "running"
        return CommandFailure(running.read_text() if running.is_file() else commands[0], code) if code else None

    def variables(self, names: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
        """What they are after the last phase; a name that is not set is left out."""
        program = (
            'if [ -f "$0" ]; then . "$0" 2>/dev/null; fi; for n; do [ -v "$n" ] && printf "%s=%s\\0" "$n" "${!n}"; done'
        )
        command = ["bash", "--noprofile", "--norc", "-c", program, str(self._state / "state"), *names]
        said = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False).stdout
        return dict(line.split("=", 1) for line in said.split("\0") if line)

    def stop(self) -> None:
        """Kills what runs; nothing runs any more afterwards."""
        self._stopped.set()
        if self._tree:
            self._tree.kill()
