"""Load from a fixed number of clients with `wrk`, each of which asks again as soon as it is answered."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HOW_TO_INSTALL = (
    "The benchmark needs wrk, a small HTTP load generator, and finds none on PATH: "
    "`apt-get install wrk` on Debian and Ubuntu, `brew install wrk` on macOS."
)
# Answered within a minute or not at all, as SageMaker counts.
_TIMEOUT = "60s"
# Requests are put together before the clock runs: the generator shares the machine with the server.
_SCRIPT = """
local bodies = {
%s
}
local requests = {}
local last = 0
function init(arguments)
  local headers = {["Content-Type"] = "application/json", ["Accept"] = "application/json"}
  for number, body in ipairs(bodies) do
    requests[number] = wrk.format("POST", "/invocations", headers, body)
  end
end
function request()
  last = last %% #requests + 1
  return requests[last]
end
function done(summary, latency, all)
  local errors = summary.errors
  io.write(string.format(
    '\\n@ {"microseconds": %%d, "answers": %%d, "refused": %%d, "broken": %%d, "timeouts": %%d, ' ..
    '"p50": %%d, "p99": %%d}\\n',
    summary.duration, summary.requests, errors.status, errors.connect + errors.read + errors.write, errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What a number of clients got in some seconds.

    good: answers 2xx per second. errors: other answers, broken connections and timeouts. requests: all, with errors.
    p50, p99: milliseconds to an answer; wrk counts answers that are errors, too.
    """

    good: float
    errors: int
    requests: int
    p50: float
    p99: float

    @property
    def error_share(self) -> float:
        return self.errors / self.requests if self.requests else 1.0


def is_installed() -> bool:
    return shutil.which("wrk") is not None


def write_script(path: Path, texts: list[str]) -> None:
    """texts: in ASCII, as they are then in the requests; nothing is special in Lua's long brackets."""
    bodies = ",\n".join(f"[==[{json.dumps({'inputs': text})}]==]" for text in texts)
    path.write_text(_SCRIPT % bodies, encoding="ascii")


def run(script: Path, url: str, clients: int, seconds: float) -> Load:
    """subprocess.CalledProcessError: wrk could not run."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--timeout", _TIMEOUT, "--latency", "-s", str(script)]
    done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    return _parse(done.stdout)


def _parse(output: str) -> Load:
    found = json.loads(next(line for line in output.splitlines() if line.startswith("@ "))[2:])
    lost = found["broken"] + found["timeouts"]
    return Load(
        good=(found["answers"] - found["refused"]) / found["microseconds"] * 1e6,
        errors=found["refused"] + lost,
        requests=found["answers"] + lost,
        p50=found["p50"] / 1000,
        p99=found["p99"] / 1000,
    )
