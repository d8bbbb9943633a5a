"""Metric math: expressions over the data points of other queries.

Known: numbers, ids, + - * / ^, comparisons, AND, OR, and the functions of `FUNCTIONS`. Anything else is an error.
A value is a number, a time series (a list with a data point or None per period), or a list of time series.
Source: the CloudWatch user guide, "Using math expressions with CloudWatch metrics".
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Series = list[float | None]
Value = Any
"""A float, a Series, or an `Array` of them."""

_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*|\.\d+)|([A-Za-z_][A-Za-z0-9_]*)|(>=|<=|==|!=|&&|\|\||[-+*/^()<>,\[\]]))")


class Array(list[Any]):
    """Several time series, as METRICS() or [m1, m2] make them."""


class ExpressionError(ValueError):
    """The expression cannot be read, or names what is not there."""


def evaluate(expression: str, queries: Mapping[str, Value], length: int) -> Series:
    """One data point per period. length: how many periods; a number alone becomes as many data points."""
    value = _Parser(expression, queries).whole()
    if isinstance(value, Array):
        raise ExpressionError(f"{expression} gives several time series, and an alarm needs one")
    return value if isinstance(value, list) else [value] * length


class _Parser:
    """A recursive descent that evaluates what it reads."""

    def __init__(self, text: str, queries: Mapping[str, Value]) -> None:
        self._text = text
        self._queries = queries
        self._tokens = self._read(text)
        self._at = 0

    def _read(self, text: str) -> list[str]:
        tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match:
                raise ExpressionError(f"cannot read {text[at:]!r} of the expression {text}")
            tokens.append(match[1] or match[2] or match[3])
            at = match.end()
        return tokens

    def whole(self) -> Value:
        value = self._level(0)
        if self._at < len(self._tokens):
            raise ExpressionError(f"{self._tokens[self._at]} is not expected in the expression {self._text}")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise ExpressionError(f"{wanted or 'a value'} is missing in the expression {self._text}")
        self._at += 1
        return token

    def _level(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._power()
        value = self._level(level + 1)
        while (name := self._peek().upper()) in _LEVELS[level]:
            self._take()
            value = _each(_LEVELS[level][name], value, self._level(level + 1))
        return value

    def _power(self) -> Value:
        base = self._factor()
        if self._peek() != "^":
            return base
        self._take()
        return _each(operator.pow, base, self._power())

    def _factor(self) -> Value:
        token = self._take()
        if token == "-":
            return _each(operator.mul, -1.0, self._factor())
        if token == "(":
            value = self._level(0)
            self._take(")")
            return value
        if token == "[":
            return Array(self._list("]"))
        if token[0].isdigit() or token[0] == ".":
            return float(token)
        if self._peek() == "(":
            return self._call(token)
        if token not in self._queries:
            raise ExpressionError(f"the expression {self._text} names {token}, and no query has this id")
        return self._queries[token]

    def _call(self, name: str) -> Value:
        self._take("(")
        if name.upper() == "METRICS":
            self._take(")")
            return Array(self._queries.values())
        # REPEAT and LINEAR are words and not queries.
        if name.upper() == "FILL":
            series = self._level(0)
            self._take(",")
            word = self._peek().upper()
            filling = self._take() and word if word in ("REPEAT", "LINEAR") else self._level(0)
            self._take(")")
            return _fill(series, filling)
        if name.upper() not in FUNCTIONS:
            raise ExpressionError(f"the embedded AWS does not know {name}() of the expression {self._text}")
        try:
            return FUNCTIONS[name.upper()](*self._list(")"))
        except TypeError:
            raise ExpressionError(f"{name}() has other arguments than in the expression {self._text}") from None

    def _list(self, end: str) -> list[Value]:
        values: list[Value] = []
        while self._peek() != end:
            if values:
                self._take(",")
            values.append(self._level(0))
        self._take(end)
        return values


def _divide(one: float, other: float) -> float | None:
    return one / other if other else None  # CloudWatch has no data point there


_LEVELS: tuple[dict[str, Callable[[float, float], Any]], ...] = (
    {"OR": lambda a, b: float(bool(a or b)), "||": lambda a, b: float(bool(a or b))},
    {"AND": lambda a, b: float(bool(a and b)), "&&": lambda a, b: float(bool(a and b))},
    {
        ">": lambda a, b: float(a > b),
        ">=": lambda a, b: float(a >= b),
        "<": lambda a, b: float(a < b),
        "<=": lambda a, b: float(a <= b),
        "==": lambda a, b: float(a == b),
        "!=": lambda a, b: float(a != b),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": _divide},
)


def _each(calculate: Callable[..., Any], *values: Value) -> Value:
    """Point by point; where a series has none, the result has none."""
    if any(isinstance(value, Array) for value in values):
        length = next(len(value) for value in values if isinstance(value, Array))
        members = [value if isinstance(value, Array) else [value] * length for value in values]
        return Array(_each(calculate, *row) for row in zip(*members, strict=True))
    if any(isinstance(value, list) for value in values):
        length = next(len(value) for value in values if isinstance(value, list))
        columns = [value if isinstance(value, list) else [value] * length for value in values]
        return [_each(calculate, *row) for row in zip(*columns, strict=True)]
    return None if None in values else calculate(*values)


def _if(condition: Value, then: Value, otherwise: Value = None) -> Value:
    """A point without a condition has no result; the other two are looked at only where they are chosen."""
    if not isinstance(condition, list):
        return None if condition is None else then if condition else otherwise
    chosen = []
    for place, each in enumerate(condition):
        value = None if each is None else then if each else otherwise
        chosen.append(value[place] if isinstance(value, list) else value)
    return chosen


def _fill(series: Value, filling: Value) -> Value:
    if isinstance(series, Array):
        return Array(_fill(each, filling) for each in series)
    if not isinstance(series, list):
        return series
    if filling == "LINEAR":
        raise ExpressionError("the embedded AWS does not know FILL with LINEAR")
    filled: Series = []
    for place, each in enumerate(series):
        last = filled[-1] if filled else None
        put_in = last if filling == "REPEAT" else filling[place] if isinstance(filling, list) else filling
        filled.append(put_in if each is None else each)
    return filled


def _over(reduce: Callable[[list[float]], float]) -> Callable[..., Value]:
    """Of an array: one series, point by point. Of one series: a number."""

    def function(*arguments: Value) -> Value:
        series = arguments[0] if len(arguments) == 1 else Array(arguments)
        if isinstance(series, Array):
            rows = zip(*[each if isinstance(each, list) else [each] for each in series], strict=True)
            return [_reduced(reduce, row) for row in rows]
        return _reduced(reduce, series if isinstance(series, list) else [series])

    return function


def _reduced(reduce: Callable[[list[float]], float], points: Any) -> float | None:
    real = [each for each in points if each is not None]
    return reduce(real) if real else None


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "ABS": lambda value: _each(abs, value),
    "AVG": _over(lambda points: sum(points) / len(points)),
    "CEIL": lambda value: _each(lambda point: float(-(-point // 1)), value),
    "FLOOR": lambda value: _each(lambda point: float(point // 1), value),
    "IF": _if,
    "MAX": _over(max),
    "MIN": _over(min),
    "SUM": _over(sum),
}
