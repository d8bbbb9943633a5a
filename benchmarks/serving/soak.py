"""Ten minutes at 80 % of what the server can take: `python benchmarks/serving/soak.py`.

Measures first how many requests per second the serving container answers on this machine while this very program asks,
then asks at a steady part of that, whether answers come or not. Errors, or memory that grows by 5 % from the first
minute to the end, are a failure: exit code 1.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import servers
import texts
from open_loop import Client

_CAPACITY_CLIENTS = 32
_MOST_GROWTH = 0.05
_SAMPLE_SECONDS = 5.0
# The first minute fills caches: of memory allocators, and of threads' arenas.
_WARM_SECONDS = 60.0


@dataclass(frozen=True)
class Sample:
    """Memory of all processes of the server, so many seconds after the start."""

    seconds: float
    bytes: int


def memory(server: servers.Server) -> int:
    """Resident bytes of the server and of all that it has started."""
    process = psutil.Process(server.process.pid)
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


async def soak(server: servers.Server, options: argparse.Namespace) -> bool:
    """Whether it kept its promise."""
    sentences = texts.to_send(options.texts)
    client = Client(server.port, [json.dumps({"inputs": text}).encode() for text in sentences])
    await client.capacity(_CAPACITY_CLIENTS, 2)  # warms up
    capacity = await client.capacity(_CAPACITY_CLIENTS, options.capacity_seconds)
    client.take_answers()
    rate = capacity * options.share
    print(f"{capacity:,.0f} answers/s with {_CAPACITY_CLIENTS} clients; now {rate:,.0f}/s for {options.minutes:g} min")
    samples: list[Sample] = []
    watching = asyncio.ensure_future(_watch(server, samples))
    await client.pace(rate, options.minutes * 60)
    await client.drain()
    watching.cancel()
    samples.append(Sample(options.minutes * 60, memory(server)))
    return _report(client, samples)


async def _watch(server: servers.Server, samples: list[Sample]) -> None:
    started = time.monotonic()
    while True:
        await asyncio.sleep(_SAMPLE_SECONDS)
        samples.append(Sample(time.monotonic() - started, memory(server)))
        os.truncate(server.log, 0)  # it would be a gigabyte in ten minutes
        if len(samples) % 12 == 0:
            print(f"{samples[-1].seconds:4.0f} s: {samples[-1].bytes / 2**20:,.0f} MiB", flush=True)


def _report(client: Client, samples: list[Sample]) -> bool:
    answers = client.take_answers()
    first = next((sample for sample in samples if sample.seconds >= _WARM_SECONDS), samples[0])
    last = samples[-1]
    growth = last.bytes / first.bytes - 1
    shown = ", ".join(f"{count:,} × {status or 'none'}" for status, count in sorted(answers.statuses.items()))
    print(f"answers: {shown}; errors: {answers.errors}")
    print(f"p50 {answers.percentile(50):.1f} ms, p99 {answers.percentile(99):.1f} ms, from when each was due")
    print(
        f"memory: {first.bytes / 2**20:,.0f} MiB after {first.seconds:.0f} s, {last.bytes / 2**20:,.0f} MiB after "
        f"{last.seconds:.0f} s: {growth:+.1%} (limit {_MOST_GROWTH:+.0%})"
    )
    return answers.errors == 0 and growth < _MOST_GROWTH


def main() -> int:
    """Exit code 0: kept; 1: errors, growth, or it did not start; 2: there is no image."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=10, help="default 10")
    arguments.add_argument("--share", type=float, default=0.8, help="of the capacity (default 0.8)")
    arguments.add_argument("--capacity-seconds", type=float, default=10, help="to measure the capacity (default 10)")
    arguments.add_argument("--model", choices=("tiny", "base"), default="tiny")
    arguments.add_argument("--texts", type=Path, default=texts.default_folder(), help="train.jsonl and test.jsonl")
    options = arguments.parse_args()
    python = servers.image_python()
    if python is None:
        print(servers.HOW_TO_BUILD, file=sys.stderr)
        return 2
    servers.stop_with_this_process()
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = Path(temporary)
        servers.make_models(python, options.texts, folder, [options.model])
        try:
            server = servers.start_ours(python, folder / options.model, folder / "server")
        except servers.ServerError as error:
            print(error, file=sys.stderr)
            return 1
        try:
            kept = asyncio.run(soak(server, options))
        finally:
            server.stop()
    print("kept" if kept else "missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
