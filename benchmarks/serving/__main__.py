"""How fast the serving container is against the stock server: `make benchmark`, or `python benchmarks/serving`.

Both are started for real, on this machine, and asked the same texts by wrk from 1, 8, 32 and 128 clients: a tiny model,
and one of distilbert-base's size. They take turns, and medians of some rounds count, so that a noisy machine does not
decide. The stock server is what the Deep Learning Container starts, with one worker as on an instance with one GPU, and
once with as many as it chooses itself. Needs wrk, and the built inference image (HFSM_INFERENCE_PYTHON: its Python).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import report
import servers
import texts
import wrk
from measuring import Plan, Results, measure
from rich.console import Console

_UNDERSTOOD = ("tiny", "base")


def main() -> int:
    """Exit code 0 once all was measured, targets kept or not; 1: something did not run; 2: something is missing."""
    options = _options()
    if not wrk.is_installed():
        print(wrk.HOW_TO_INSTALL, file=sys.stderr)
        return 2
    python = servers.image_python()
    if python is None:
        print(servers.HOW_TO_BUILD, file=sys.stderr)
        return 2
    servers.stop_with_this_process()
    console = Console(stderr=options.markdown, width=120)  # the table needs it, whatever the terminal has
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="serving-") as temporary:
        plan = Plan(
            python=python,
            folder=Path(temporary),
            texts=texts.to_send(options.texts),
            text_folder=options.texts,
            seconds=options.seconds,
            rounds=options.rounds,
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            extra=dict(variable.split("=", 1) for variable in options.server_variables),
            say=lambda what: console.print(f"{time.monotonic() - started:4.0f} s  {what}", highlight=False),
        )
        try:
            make_models(plan, options.models)
            # Runs of the larger model last longer, and vary less: it takes a round less.
            plans = {"tiny": plan, "base": replace(plan, rounds=max(1, plan.rounds - 1))}
            measured = {model: measure(plans[model], model) for model in options.models}
            machine = report.machine(python, plan.cores)
        except servers.ServerError as error:
            print(f"The benchmark stopped: {error}", file=sys.stderr)
            return 1
        except subprocess.CalledProcessError as error:
            print(f"The benchmark stopped: {error}\n{error.stdout or ''}{error.stderr or ''}", file=sys.stderr)
            return 1
    _show(measured, machine, options, console)
    return 0


def _options() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = arguments.add_argument
    add("--seconds", type=float, default=2, help="of each run, at least (default 2)")
    add("--rounds", type=int, default=3, help="of stock and ours in turns; medians count (default 3)")
    add("--models", type=_models, default=_UNDERSTOOD, help="tiny, base or tiny,base (default)")
    add("--server-variables", nargs="*", default=[], metavar="NAME=VALUE", help="of our server; none by default")
    add("--texts", type=Path, default=texts.default_folder(), help="folder with train.jsonl and test.jsonl")
    add("--markdown", action="store_true", help="the README's table on standard output, and all else elsewhere")
    add("--json", type=Path, help="writes the numbers there, too")
    return arguments.parse_args()


def _models(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(_UNDERSTOOD):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there are only {' and '.join(_UNDERSTOOD)}")
    return names


def make_models(plan: Plan, names: tuple[str, ...]) -> None:
    """In plan.folder/models. CalledProcessError: with what was printed."""
    plan.say("making the models")
    servers.make_models(plan.python, plan.text_folder, plan.folder / "models", names)


def _show(measured: dict[str, Results], machine: str, options: argparse.Namespace, console: Console) -> None:
    if options.markdown:
        print(report.as_markdown(measured, machine))
    else:
        console.print(f"\nMachine: {machine}; texts from {options.texts}", highlight=False)
        for line in report.environments(next(iter(measured.values())).variables):
            console.print(line, highlight=False)
        report.as_table(measured, console)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report.as_json(measured, machine), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
