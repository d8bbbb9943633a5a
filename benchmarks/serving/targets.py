"""What the serving container promises against the stock server, and whether the numbers keep it."""

from dataclasses import dataclass

from measuring import OURS, STOCK, Results

_OVERHEAD_MS = 2.0


@dataclass(frozen=True)
class Target:
    """what: with the number that is wanted; measured: the number that was found."""

    what: str
    measured: str
    kept: bool


def targets(model: str, results: Results) -> list[Target]:
    """Of the model named `tiny` or `base`."""
    return _of_tiny(results) if model == "tiny" else _of_base(results)


def faster(results: Results, clients: int) -> float:
    """Answers per second, ours against stock."""
    return results.middle(OURS, clients).good / max(results.middle(STOCK, clients).good, 0.01)


def _of_tiny(results: Results) -> list[Target]:
    ratio = faster(results, 32)
    slowest = results.middle(STOCK, 32).p99 / max(results.middle(OURS, 32).p99, 0.001)
    ours, stock = results.middle(OURS, 128), results.middle(STOCK, 128)
    bare, threads = results.bare_call
    overhead = results.middle(OURS, 1).p50 - bare
    return [
        Target("at least 10 times stock's answers/s at 32 clients", f"{ratio:.1f} times", ratio >= 10),
        Target("p99 at 32 clients at most a sixth of stock's", f"1/{slowest:.1f}", slowest >= 6),
        Target(
            "no error at 128 clients",
            f"{ours.errors} of {ours.requests}; stock {stock.error_share:.0%} of {stock.requests}",
            ours.errors == 0,
        ),
        Target(
            f"at 1 client at most {_OVERHEAD_MS:.0f} ms over the bare model call",
            f"{overhead:+.2f} ms over {bare:.2f} ms (p50, {threads} thread{'s' * (threads > 1)})",
            overhead <= _OVERHEAD_MS,
        ),
    ]


def _of_base(results: Results) -> list[Target]:
    many, one = faster(results, 32), faster(results, 1)
    return [
        Target("at least 1.5 times stock's answers/s at 32 clients", f"{many:.2f} times", many >= 1.5),
        Target("not slower than stock at 1 client", f"{one:.2f} times", one >= 1),
    ]
