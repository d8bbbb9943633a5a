"""Prints what was measured, for a terminal or for the README."""

import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from measuring import CLIENTS, OURS, STOCK, STOCK_DEFAULT, Results
from rich.console import Console
from rich.table import Table
from targets import Target, faster, targets
from wrk import Load

SIZES = {
    "tiny": "DistilBERT, 2 layers, 128 wide",
    "base": "DistilBERT of distilbert-base's size, 6 layers, 768 wide",
}
_COLUMNS = ("model", "server", "clients", "answers/s", "p50 ms", "p99 ms", "errors", "ours/stock")
_VERSIONS = """
import platform, torch, transformers
print(platform.python_version(), torch.__version__, transformers.__version__)
"""


def machine(python: Path, cores: int) -> str:
    """One line: processor, cores, memory, and the versions in the inference image's Python."""
    done = subprocess.run([str(python), "-c", _VERSIONS], capture_output=True, text=True, check=True)
    versions = "Python {}, torch {}, transformers {}".format(*done.stdout.split())
    return f"{cores} cores of {_processor()}, {_memory():.0f} GiB memory; {versions}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.processor() or platform.machine()} ({platform.machine()})"


def _memory() -> float:
    import psutil

    return float(psutil.virtual_memory().total / 2**30)


def environments(variables: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """What each server was told besides model folder and port."""
    for name, given in variables.items():
        shown = " ".join(f"{key}={value}" for key, value in sorted(given.items())) or "no variables: its defaults"
        yield f"{name}: {shown}"


def _rows(model: str, results: Results) -> Iterator[tuple[str, ...]]:
    for clients in CLIENTS:
        for server in (STOCK, STOCK_DEFAULT, OURS):
            load = results.middle(server, clients)
            ratio = f"{faster(results, clients):.1f}×" if server == OURS else ""
            yield (model, server, str(clients), *_numbers(load), ratio)


def _numbers(load: Load) -> tuple[str, ...]:
    errors = f"{load.errors} ({load.error_share:.0%})" if load.errors else "0"
    return f"{load.good:,.0f}", f"{load.p50:.1f}", f"{load.p99:.1f}", errors


def as_table(measured: Mapping[str, Results], console: Console) -> None:
    table = Table(*_COLUMNS)
    for column in table.columns[2:]:
        column.justify = "right"
    for model, results in measured.items():
        for row in _rows(model, results):
            table.add_row(*row, style="bold" if row[1] == OURS else None, end_section=row[1] == OURS)
    console.print(table)
    for model, target in _all_targets(measured):
        verdict = "[green]kept[/]  " if target.kept else "[red]missed[/]"
        console.print(f"{verdict} {model}: {target.what}: {target.measured}", highlight=False)


def as_markdown(measured: Mapping[str, Results], machine_line: str) -> str:
    """A table with the machine above it and the targets below."""
    lines = [f"Measured on {machine_line}.", "", f"| {' | '.join(_COLUMNS)} |", "| --- | --- |" + " ---: |" * 6]
    for model, results in measured.items():
        lines += [f"| {' | '.join(row)} |" for row in _rows(model, results)]
    lines += ["", *(f"- `{model}`: {SIZES[model]}" for model in measured), ""]
    for model, target in _all_targets(measured):
        lines.append(f"- {model}: {target.what}: {target.measured} ({'kept' if target.kept else 'missed'})")
    return "\n".join(lines)


def as_json(measured: Mapping[str, Results], machine_line: str) -> dict[str, object]:
    numbers = [
        {"model": model, "server": server, "clients": clients, **vars(results.middle(server, clients))}
        for model, results in measured.items()
        for server, clients in results.loads
    ]
    bare = {model: results.bare_call[0] for model, results in measured.items()}
    kept = [{"model": model, **vars(target)} for model, target in _all_targets(measured)]
    return {"schema_version": "1", "machine": machine_line, "loads": numbers, "bare_ms": bare, "targets": kept}


def _all_targets(measured: Mapping[str, Results]) -> Iterator[tuple[str, Target]]:
    for model, results in measured.items():
        for target in targets(model, results):
            yield model, target
