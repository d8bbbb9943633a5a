"""Queries of metrics: what an alarm, GetMetricData and a scaling policy ask for, as data points."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.cloudwatch import metric_math
from localcloud.cloudwatch.samples import MetricId, MetricStore, metric_id


@dataclass(frozen=True)
class Query:
    """One metric and its statistic, or an expression over other queries.

    period: seconds of AWS. Omitted: an expression's, which has its queries'. returned: ReturnData.
    """

    id: str
    metric: MetricId | None = None
    stat: str = ""
    period: int | None = None
    unit: str | None = None
    expression: str | None = None
    returned: bool = True


def query_of(request: Mapping[str, Any]) -> Query:
    """Of a MetricDataQuery of the API."""
    returned = request.get("ReturnData") is not False
    if "MetricStat" not in request:
        return Query(request["Id"], period=request.get("Period"), expression=request["Expression"], returned=returned)
    asked = request["MetricStat"]
    metric = asked["Metric"]
    return Query(
        request["Id"],
        metric_id(metric["Namespace"], metric["MetricName"], metric.get("Dimensions") or ()),
        asked["Stat"],
        int(asked.get("Period") or 60),
        asked.get("Unit"),
        returned=returned,
    )


def common_period(queries: Iterable[Query]) -> int:
    """The longest that one of them says; a minute where none does."""
    return max((each.period for each in queries if each.period), default=60)


class DataPoints(Mapping[str, metric_math.Series]):
    """The data points of queries by their ids; an expression's are calculated when they are asked for.

    starts: of the periods, in seconds since 1970. seconds: how long each of them lasts.
    Iterates over metrics only, as METRICS() of an expression does.
    """

    def __init__(self, store: MetricStore, queries: Sequence[Query], starts: Sequence[float], seconds: float) -> None:
        self._store = store
        self._queries = {each.id: each for each in queries}
        self._starts = starts
        self._seconds = seconds
        self._known: dict[str, metric_math.Series] = {}
        self._begun: set[str] = set()

    def __getitem__(self, name: str) -> metric_math.Series:
        """Raises ValueError: the expression or the statistic is not understood."""
        query = self._queries[name]
        if name not in self._known:
            if name in self._begun:
                raise metric_math.ExpressionError(f"the expression of {name} needs itself")
            self._begun.add(name)
            self._known[name] = self._calculated(query)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return (each.id for each in self._queries.values() if each.metric)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _calculated(self, query: Query) -> metric_math.Series:
        if query.expression:
            return metric_math.evaluate(query.expression, self, len(self._starts))
        assert query.metric
        metric, end = query.metric, self._seconds
        return [self._store.value(metric, query.stat, at, at + end, query.unit) for at in self._starts]
