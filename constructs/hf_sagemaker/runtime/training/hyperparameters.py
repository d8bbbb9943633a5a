"""The hyperparameters of the text classification script, as SageMaker passes them: `--name value`, always both."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """What can be set, with what is used where it is not.

    epochs: passes over the training data; may be a fraction. max_steps: optimizer steps; above 0 it replaces epochs.
    train_batch_size, eval_batch_size: examples per device and step. gradient_accumulation_steps: batches per step.
    learning_rate: peak; None is 1e-3 for a model built here and 5e-5 for one that was trained before.
    warmup_ratio: share of the steps over which the rate rises from 0; afterwards it falls linearly to 0.
    max_length: tokens per text; what is longer is cut.
    token_dropout: share of tokens hidden from the model while it trains; None is 0.1 for a model built here, else 0.
    save_steps, logging_steps: optimizer steps between two checkpoints, two lines. save_total_limit: checkpoints kept.
    fp16: half precision; has an effect on CUDA only.
    labels: names of labels 0, 1, …, with commas; None is what the model says, or NEGATIVE,POSITIVE for two labels,
        or LABEL_0, LABEL_1, ….
    vocab_size, hidden_size, layers, heads, dropout: of the model that is built where there is no channel `model`.
    seed: of the model's first weights, the order of the data and dropout. The same seed gives the same model.
    """

    epochs: float = 3.0
    max_steps: int = 0
    train_batch_size: int = 32
    eval_batch_size: int = 64
    gradient_accumulation_steps: int = 1
    learning_rate: float | None = None
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    max_length: int = 128
    token_dropout: float | None = None
    save_steps: int = 50
    save_total_limit: int = 3
    logging_steps: int = 10
    fp16: bool = False
    labels: tuple[str, ...] | None = None
    vocab_size: int = 8000
    hidden_size: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.2
    seed: int = 42


def parse(arguments: Sequence[str]) -> Hyperparameters:
    """Reads `--name value` pairs; `--batch-size` is `--batch_size`.

    SystemExit: with all problems in one message; each names the hyperparameter, its value and what is allowed.
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    for field in fields(Hyperparameters):
        spellings = {f"--{field.name}", f"--{field.name.replace('_', '-')}"}
        parser.add_argument(*sorted(spellings), dest=field.name, default=None)
    given, unknown = parser.parse_known_args(arguments)
    problems = [
        f"unknown hyperparameter {word[2:]!r}; known: {', '.join(field.name for field in fields(Hyperparameters))}"
        for word in unknown
        if word.startswith("--")
    ] or [f"unexpected argument {word!r}: every hyperparameter is `--name value`" for word in unknown]
    values: dict[str, Any] = {}
    for name, text in vars(given).items():
        if text is None:
            continue
        allowed, convert = _RULES[name]
        try:
            values[name] = convert(text)
        except ValueError:
            problems.append(f"hyperparameter {name} is {text!r}; allowed: {allowed}")
    if not problems and (values.get("hidden_size", 128) % values.get("heads", 4)):
        problems.append("hyperparameter hidden_size must be a multiple of heads")
    if problems:
        raise SystemExit("\n".join(problems))
    return Hyperparameters(**values)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SystemExit(f"hyperparameters: {message}")


def _boolean(text: str) -> bool:
    """Booleans are explicit: SageMaker passes `--fp16 false` where a flag would be read as true."""
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise ValueError
    return values[text.lower()]


def _number(kind: type, low: float, high: float = float("inf")) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        value = float(text)
        if not low <= value <= high or (kind is int and not value.is_integer()):
            raise ValueError
        return kind(value)

    return convert


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) != len(names) or len(names) < 2:
        raise ValueError
    return names


_COUNT = ("a whole number from 1", _number(int, 1))
_SHARE = ("a number from 0 to 0.9", _number(float, 0, 0.9))
_RULES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "epochs": ("a number above 0", _above_zero),
    "max_steps": ("a whole number from 0", _number(int, 0)),
    "train_batch_size": _COUNT,
    "eval_batch_size": _COUNT,
    "gradient_accumulation_steps": _COUNT,
    "learning_rate": ("a number above 0", _above_zero),
    "weight_decay": ("a number from 0", _number(float, 0, 1e6)),
    "warmup_ratio": _SHARE,
    "max_length": ("a whole number from 8 to 8192", _number(int, 8, 8192)),
    "token_dropout": _SHARE,
    "save_steps": _COUNT,
    # With one only, a checkpoint that is cut off would leave nothing to go on from.
    "save_total_limit": ("a whole number from 2", _number(int, 2)),
    "logging_steps": _COUNT,
    "fp16": ("true or false", _boolean),
    "labels": ("two or more different names with commas, like NEGATIVE,POSITIVE", _names),
    "vocab_size": ("a whole number from 300", _number(int, 300)),
    "hidden_size": _COUNT,
    "layers": _COUNT,
    "heads": _COUNT,
    "dropout": _SHARE,
    "seed": ("a whole number from 0", _number(int, 0, 2**32 - 1)),
}
