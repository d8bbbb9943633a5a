"""What was put into metrics, by namespace, name and exactly these dimensions.

Replaces moto's list of single values, which is searched from end to end, matches some of the dimensions as well as all
of them, and keeps no distribution: a percentile needs the values.
"""

import bisect
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KEPT_SECONDS = 15 * 24 * 3600.0
"""As long as CloudWatch keeps data points of one minute."""

MetricId = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one put said of one moment. values: each with how often it occurred. Empty: only the four are known."""

    count: float
    total: float
    least: float
    most: float
    values: tuple[tuple[float, float], ...] = ()
    unit: str | None = None


def metric_id(namespace: str, name: str, dimensions: Iterable[Mapping[str, str]]) -> MetricId:
    return namespace, name, frozenset((each["Name"], each["Value"]) for each in dimensions)


def sample_of(datum: Mapping[str, Any]) -> Sample:
    """Of a MetricDatum of PutMetricData."""
    unit = datum.get("Unit")
    if statistics := datum.get("StatisticValues"):
        count, total, least, most = (float(statistics[n]) for n in ("SampleCount", "Sum", "Minimum", "Maximum"))
        # CloudWatch knows the values of a set whose values are all the same, and of no other.
        values = ((least, count),) if least == most else ()
        return Sample(count, total, least, most, values, unit)
    given = [float(each) for each in datum.get("Values") or [datum.get("Value", 0.0)]]
    counts = [float(each) for each in datum.get("Counts") or [1.0] * len(given)]
    pairs = tuple(zip(given, counts, strict=True))
    return Sample(sum(counts), sum(v * n for v, n in pairs), min(given), max(given), pairs, unit)


def statistic(name: str, samples: Sequence[Sample]) -> float | None:
    """Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p99 or p99.9.

    None: there are no samples, or a percentile's values are not known. Raises ValueError: it is another statistic.
    """
    count = sum(each.count for each in samples)
    if name.startswith("p") and name[1:].replace(".", "", 1).isdigit():
        return _percentile(float(name[1:]), samples)
    if name not in ("Sum", "Average", "Minimum", "Maximum", "SampleCount"):
        raise ValueError(f"the embedded AWS does not know the statistic {name}")
    if not count:
        return None
    match name:
        case "Sum":
            return sum(each.total for each in samples)
        case "Average":
            return sum(each.total for each in samples) / count
        case "Minimum":
            return min(each.least for each in samples)
        case "Maximum":
            return max(each.most for each in samples)
    return count


def _percentile(percent: float, samples: Sequence[Sample]) -> float | None:
    """The nearest rank."""
    if not samples or any(not each.values for each in samples):
        return None
    pairs = sorted(pair for each in samples for pair in each.values)
    rank = max(math.ceil(percent / 100 * sum(count for _, count in pairs)), 1)
    for value, count in pairs:
        rank -= int(count)
        if rank <= 0:
            return value
    return pairs[-1][0]


class Series:
    """The samples of one metric, by time. Times are seconds since 1970."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._samples: list[Sample] = []

    @property
    def newest(self) -> Sample:
        return self._samples[-1]

    def add(self, at: float, sample: Sample) -> None:
        place = bisect.bisect_right(self._times, at)
        self._times.insert(place, at)
        self._samples.insert(place, sample)
        old = bisect.bisect_left(self._times, self._times[-1] - KEPT_SECONDS)
        del self._times[:old], self._samples[:old]

    def between(self, start: float, end: float, unit: str | None = None) -> list[Sample]:
        """From `start` on, and before `end`. unit: only what was put with it. Omitted: with any."""
        found = self._samples[bisect.bisect_left(self._times, start) : bisect.bisect_left(self._times, end)]
        return [each for each in found if unit is None or each.unit == unit]


class MetricStore:
    """All metrics of one account in one region. Any number of threads may use it."""

    def __init__(self) -> None:
        self._series: dict[MetricId, Series] = {}
        self._lock = threading.Lock()

    def __contains__(self, metric: MetricId) -> bool:
        return metric in self._series

    def unit(self, metric: MetricId) -> str | None:
        """Of its newest sample."""
        with self._lock:
            return self._series[metric].newest.unit

    def put(self, namespace: str, datum: Mapping[str, Any]) -> None:
        """A MetricDatum of PutMetricData."""
        metric = metric_id(namespace, datum["MetricName"], datum.get("Dimensions") or ())
        with self._lock:
            at = epoch(datum.get("Timestamp") or datetime.now(UTC))
            self._series.setdefault(metric, Series()).add(at, sample_of(datum))

    def value(self, metric: MetricId, name: str, start: float, end: float, unit: str | None = None) -> float | None:
        """That statistic from `start` on and before `end`. None: no data point. Raises ValueError: see statistic."""
        with self._lock:
            series = self._series.get(metric)
            samples = series.between(start, end, unit) if series else []
        return statistic(name, samples)


def epoch(moment: datetime) -> float:
    """Seconds since 1970; moto keeps UTC without its zone."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
