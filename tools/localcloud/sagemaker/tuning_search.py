"""How a tuning job chooses hyperparameters, and which of its children it lets go on. Knows no job.

Scores are better the higher they are: an objective that is minimised comes with its sign turned.
"""

import itertools
import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Values = dict[str, str]

_BEGINNING = 4  # children that are chosen by chance before the Bayesian search looks at what they have shown
_CANDIDATES = 32
_GOOD = 0.25  # share of the observations that a candidate should resemble
_NARROW = 0.2  # width of what one observation says about its surroundings, as a share of the range
_KEPT = 3  # Hyperband lets one in so many go on from each rung to the next
_ENOUGH = 3  # children that must have come as far before another one is judged
_WIDE = 100.0  # times that a range must grow for Auto to mean a logarithm


@dataclass(frozen=True)
class Observation:
    """What a child with these values has reached."""

    values: Mapping[str, str]
    score: float


class Parameter:
    """One range of a tuning job's request, as numbers between 0 and 1. kind: Integer, Continuous or Categorical."""

    def __init__(self, kind: str, given: Mapping[str, Any]) -> None:
        self.kind = kind
        self.name: str = given["Name"]
        self.values: Sequence[str] = given.get("Values") or ()
        self.low, self.high = float(given.get("MinValue", 0)), float(given.get("MaxValue", 0))
        scaling = given.get("ScalingType") or "Auto"
        if scaling == "Auto" and self.low > 0 and self.high / self.low >= _WIDE:
            scaling = "Logarithmic"
        self._scaling = scaling

    def text(self, unit: float) -> str:
        """The value at this place of the range, as hyperparameters are written."""
        if self.kind == "Categorical":
            return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]
        if self.kind == "Integer":
            # Each whole number has the same share of the range, the first and the last one too.
            number = self._spread(unit, self.low - 0.5 if self._scaling != "Logarithmic" else self.low, self.high + 0.5)
            return str(min(max(round(number), int(self.low)), int(self.high)))
        return repr(min(max(self._spread(unit, self.low, self.high), self.low), self.high))

    def unit(self, text: str) -> float:
        """The place of a value; outside of 0 to 1 where a parent's range was another one."""
        if self.kind == "Categorical":
            return (self.values.index(text) + 0.5) / len(self.values) if text in self.values else -1.0
        number = float(text)
        if self._scaling == "Logarithmic":
            return math.log(number / self.low) / math.log(self.high / self.low) if number > 0 else -1.0
        if self._scaling == "ReverseLogarithmic":
            return math.log((1 - self.low) / (1 - number)) / math.log((1 - self.low) / (1 - self.high))
        return (number - self.low) / (self.high - self.low)

    def _spread(self, unit: float, low: float, high: float) -> float:
        if self._scaling == "Logarithmic":
            return low * math.pow(high / low, unit)
        if self._scaling == "ReverseLogarithmic":
            return 1 - (1 - low) * math.pow((1 - high) / (1 - low), unit)
        return low + (high - low) * unit


def parameters(ranges: Mapping[str, Any]) -> list[Parameter]:
    """Of a request's ParameterRanges."""
    return [
        Parameter(kind, given)
        for kind in ("Integer", "Continuous", "Categorical")
        for given in ranges.get(f"{kind}ParameterRanges") or []
    ]


class Search(Protocol):
    """A strategy."""

    def next(self, seen: Sequence[Observation]) -> Values | None:
        """Values for another child, after what children and parents have shown. None: there are no more."""


class GridSearch:
    """Every combination, once."""

    def __init__(self, given: Sequence[Parameter]) -> None:
        combinations = itertools.product(*(parameter.values for parameter in given))
        self._left: Iterator[Values] = (
            dict(zip((parameter.name for parameter in given), combination, strict=True)) for combination in combinations
        )

    def next(self, seen: Sequence[Observation]) -> Values | None:
        return next(self._left, None)


class RandomSearch:
    """By chance. Hyperband's children are chosen in this way too."""

    def __init__(self, given: Sequence[Parameter], chance: random.Random) -> None:
        self._parameters = given
        self._chance = chance

    def next(self, seen: Sequence[Observation]) -> Values | None:
        return {parameter.name: parameter.text(self._chance.random()) for parameter in self._parameters}


class BayesianSearch:
    """A tree-structured Parzen estimator: of many candidates that resemble the good observations, the one that
    resembles the others least. AWS has a Gaussian process; both trade off what is known against what is not.
    """

    def __init__(self, given: Sequence[Parameter], chance: random.Random) -> None:
        self._parameters = given
        self._chance = chance

    def next(self, seen: Sequence[Observation]) -> Values | None:
        known = [each for each in seen if all(parameter.name in each.values for parameter in self._parameters)]
        if len(known) < _BEGINNING:
            return RandomSearch(self._parameters, self._chance).next(seen)
        ranked = sorted(known, key=lambda each: each.score, reverse=True)
        number = max(1, math.ceil(_GOOD * len(ranked)))
        return {
            parameter.name: self._choose(parameter, ranked[:number], ranked[number:]) for parameter in self._parameters
        }

    def _choose(self, parameter: Parameter, good: Sequence[Observation], others: Sequence[Observation]) -> str:
        liked, rest = ([parameter.unit(each.values[parameter.name]) for each in part] for part in (good, others))
        candidates = [self._near(self._chance.choice(liked)) for _ in range(_CANDIDATES)]
        return parameter.text(max(candidates, key=lambda unit: _density(unit, liked) / _density(unit, rest)))

    def _near(self, unit: float) -> float:
        # One in eight comes from anywhere, so that no part of a range is given up for good.
        found = self._chance.random() if self._chance.random() < 1 / 8 else self._chance.gauss(unit, _NARROW)
        return min(max(found, 0.0), 1.0)


def _density(unit: float, places: Sequence[float]) -> float:
    everywhere = 1.0
    peaks = sum(math.exp(-(((unit - place) / _NARROW) ** 2) / 2) / _NARROW for place in places)
    return (everywhere + peaks) / (1 + len(places))


class Halving:
    """Asynchronous successive halving: at each rung, one child in three goes on.

    least, most: scores that a child gives before it may be stopped, and after which it is.
    """

    def __init__(self, least: int, most: int) -> None:
        self._most = most
        self._rungs = list(itertools.takewhile(lambda r: r < most, (least * _KEPT**i for i in itertools.count())))
        self._reached: dict[int, dict[str, float]] = {rung: {} for rung in self._rungs}

    def ends(self, child: str, scores: Sequence[float]) -> bool:
        """Whether the child of that name, which has given these scores so far, has to stop.

        Asked of children that have ended, too: others are compared with what they reached.
        """
        ends = len(scores) >= self._most
        for rung in self._rungs:
            if len(scores) < rung or child in self._reached[rung]:
                continue
            others = self._reached[rung]
            others[child] = scores[rung - 1]
            best = sorted(others.values(), reverse=True)[: max(1, len(others) // _KEPT)]
            ends = ends or (len(others) >= _KEPT and others[child] < best[-1])
        return ends


def falls_behind(scores: Sequence[float], completed: Sequence[Sequence[float]]) -> bool:
    """AWS's rule for early stopping: the newest score is below the median of the others' averages so far."""
    step = len(scores)
    averages = [statistics.fmean(other[:step]) for other in completed if len(other) >= step]
    return step > 0 and len(averages) >= _ENOUGH and scores[-1] < statistics.median(averages)
