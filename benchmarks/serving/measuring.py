"""Measures the servers of one model alternately, and checks first that they answer the same."""

import contextlib
import json
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import servers
import wrk
from servers import Server, ServerError
from wrk import Load

CLIENTS = (1, 8, 32, 128)
STOCK, STOCK_DEFAULT, OURS = "stock", "stock, workers unset", "ours"
# A run lasts until each client could be answered so often, within limits: a queue must fill up to be measured.
_ANSWERS_EACH = 3
_LONGEST = 8.0
_BARE_SECONDS = 1.0
# Compilers of Java and libraries that prepare themselves for each shape: both servers are slower at first.
_WARM_UP_CLIENTS, _WARM_UP_SECONDS = 32, 4.0
_SAME_SCORES = 1e-4
_COMPARED = 20


@dataclass
class Results:
    """Of one model. loads: by server and number of clients, one per round. bare: milliseconds by number of threads."""

    loads: dict[tuple[str, int], list[Load]] = field(default_factory=lambda: defaultdict(list))
    bare: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    variables: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def middle(self, server: str, clients: int) -> Load:
        """The median of each number over the rounds; errors and requests are those of all rounds."""
        loads = self.loads[server, clients]
        return Load(
            good=statistics.median(load.good for load in loads),
            errors=sum(load.errors for load in loads),
            requests=sum(load.requests for load in loads),
            p50=statistics.median(load.p50 for load in loads),
            p99=statistics.median(load.p99 for load in loads),
        )

    @property
    def bare_call(self) -> tuple[float, int]:
        """(Median milliseconds, threads), with the number of threads that is fastest."""
        return min((statistics.median(times), threads) for threads, times in self.bare.items())


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, how long, and where. seconds: of one run, at least. extra: variables of our server."""

    python: Path
    folder: Path
    texts: list[str]
    text_folder: Path
    seconds: float
    rounds: int
    cores: int
    extra: Mapping[str, str]
    say: Callable[[str], None]


def measure(plan: Plan, model: str) -> Results:
    """Numbers of all servers for plan.folder/models/<model>. ServerError, CalledProcessError: something did not run."""
    results = Results()
    with contextlib.ExitStack() as stack:
        running = _start(plan, model, stack)
        results.variables = {name: server.variables for name, server in running.items()}
        _compare(plan.texts[:_COMPARED], running)
        bare = stack.enter_context(_bare_call(plan, plan.folder / "models" / model))
        script = plan.folder / "requests.lua"
        wrk.write_script(script, plan.texts)
        for server in running.values():
            wrk.run(script, f"{server.url}/invocations", _WARM_UP_CLIENTS, _WARM_UP_SECONDS)
            server.wait_until_idle()
            server.rest()
        for number in range(plan.rounds):
            plan.say(f"{model}: round {number + 1} of {plan.rounds}")
            for threads in sorted({1, plan.cores}):
                results.bare[threads].append(bare(threads))
            for clients in CLIENTS:
                for name, server in running.items():
                    if name == STOCK_DEFAULT and number:
                        continue  # for comparison only: no target depends on it
                    seconds = _duration(plan.seconds, clients, results)
                    server.go_on()
                    results.loads[name, clients].append(wrk.run(script, f"{server.url}/invocations", clients, seconds))
                    server.wait_until_idle()
                    server.rest()
    return results


def _start(plan: Plan, model: str, stack: contextlib.ExitStack) -> dict[str, Server]:
    """All of them, so that they can take turns."""
    plan.say(f"{model}: starting the servers")
    with ThreadPoolExecutor() as pool:
        starts = _starts(plan, plan.folder / "models" / model, plan.folder / f"servers-{model}")
        started = {name: pool.submit(start) for name, start in starts}
        # Those that did start are stopped even when another one did not, or when this is interrupted meanwhile.
        stack.callback(lambda: [future.result().stop() for future in started.values() if not future.exception()])
    return {name: future.result() for name, future in started.items()}


def _starts(plan: Plan, model: Path, scratch: Path) -> list[tuple[str, Callable[[], Server]]]:
    python = plan.python
    return [
        (STOCK, lambda: servers.start_stock(python, model, scratch / "stock", workers=1)),
        (OURS, lambda: servers.start_ours(python, model, scratch / "ours", plan.extra)),
        (STOCK_DEFAULT, lambda: servers.start_stock(python, model, scratch / "stock-default", workers=None)),
    ]


def _duration(least: float, clients: int, results: Results) -> float:
    """Seconds, the same for every server: as the slower one, the stock server, needs them."""
    alone = results.loads[STOCK, 1]
    needed = _ANSWERS_EACH * clients / max(alone[0].good, 1.0) if alone else 0.0
    return min(max(least, needed), max(least, _LONGEST))


def _compare(texts: Sequence[str], running: Mapping[str, Server]) -> None:
    """ServerError: two servers do not say the same of a text."""
    for text in texts:
        body = json.dumps({"inputs": text}).encode()
        answers = {name: json.loads(server.invoke(body))[0] for name, server in running.items()}
        first = answers[STOCK]
        for name, answer in answers.items():
            if answer["label"] != first["label"] or abs(answer["score"] - first["score"]) > _SAME_SCORES:
                raise ServerError(f"{name} answers {answer} where stock answers {first}, to {text!r}")


@contextlib.contextmanager
def _bare_call(plan: Plan, model: Path) -> Iterator[Callable[[int], float]]:
    """A function: median milliseconds of the model alone with a number of threads."""
    command = [str(plan.python), str(Path(__file__).parent / "bare_call.py"), str(model), str(plan.text_folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=servers.machine_variables(plan.python)
    )
    assert process.stdin is not None and process.stdout is not None
    asked, answered = process.stdin, process.stdout

    def call(threads: int) -> float:
        print(threads, _BARE_SECONDS, file=asked, flush=True)
        line = answered.readline()
        if not line:
            raise ServerError(f"{' '.join(command)} ended: its message is above")
        return float(line)

    try:
        yield call
    finally:
        asked.close()
        process.wait(30)
        answered.close()
