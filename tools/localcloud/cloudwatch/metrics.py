"""Metrics of an account and region: put, and answered with the statistics that CloudWatch has.

Replaces moto's three operations: its GetMetricStatistics answers for metrics that have other dimensions too, neither it
nor GetMetricData knows percentiles, and its expressions are the name of another query.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend

from localcloud.cloudwatch.queries import DataPoints, common_period, query_of
from localcloud.cloudwatch.samples import MetricStore, epoch, metric_id

_LISTED = ("MetricName", "Dimensions", "Unit", "Timestamp")
_put_as_moto = CloudWatchBackend.put_metric_data


def install() -> None:
    backend: Any = CloudWatchBackend
    backend.put_metric_data = put_metric_data


def store_of(backend: CloudWatchBackend) -> MetricStore:
    """Where the metrics of this backend are kept."""
    kept: dict[str, Any] = vars(backend)
    store: MetricStore = kept.setdefault("localcloud_metrics", MetricStore())
    return store


def put_metric_data(backend: CloudWatchBackend, namespace: str, metric_data: list[dict[str, Any]]) -> None:
    """moto keeps the first value of each metric, for ListMetrics."""
    for place, datum in enumerate(metric_data, 1):
        backend._validate_parameters_put_metric_data(datum, place)
    store = store_of(backend)
    for datum in metric_data:
        if metric_id(namespace, datum["MetricName"], datum.get("Dimensions") or ()) not in store:
            _put_as_moto(backend, namespace, [{name: datum[name] for name in _LISTED if name in datum}])
        store.put(namespace, datum)


def get_metric_statistics(backend: CloudWatchBackend, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Datapoints. Periods are those of the clock on the wall: only waiting is shortened."""
    statistics, extended = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if not statistics and not extended:
        raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
    period, unit = int(request["Period"]), request.get("Unit")
    metric = metric_id(request["Namespace"], request["MetricName"], request.get("Dimensions") or ())
    store, points = store_of(backend), []
    for start in _starts(request["StartTime"], request["EndTime"], period):
        end = min(start + period, epoch(request["EndTime"]))
        try:
            values = {name: store.value(metric, name, start, end, unit) for name in [*statistics, *extended]}
        except ValueError as error:
            raise InvalidParameterValue(str(error)) from None
        if known := {name: value for name, value in values.items() if value is not None}:
            point: dict[str, Any] = {"Timestamp": _moment(start), "Unit": unit or store.unit(metric) or "None"}
            point |= {name: value for name, value in known.items() if name in statistics}
            if own := {name: value for name, value in known.items() if name in extended}:
                point["ExtendedStatistics"] = own
            points.append(point)
    return points


def get_metric_data(
    backend: CloudWatchBackend, requests: Sequence[Mapping[str, Any]], start: datetime, end: datetime, scan_by: str
) -> list[dict[str, Any]]:
    """MetricDataResults of the queries that return data."""
    for place, request in enumerate(requests, 1):
        if "MetricStat" not in request and "Expression" not in request:
            message = f"The parameter MetricDataQueries.member.{place}.MetricStat is required.\n"
            raise ValidationError(message)
    queries = [query_of(request) for request in requests]
    results = []
    for query, request in zip(queries, requests, strict=True):
        if not query.returned:
            continue
        period = query.period or common_period(queries)
        starts = _starts(start, end, period)
        try:
            values = DataPoints(store_of(backend), queries, starts, period)[query.id]
        except ValueError as error:
            raise ValidationError(str(error)) from None
        points = [(at, value) for at, value in zip(starts, values, strict=True) if value is not None]
        if scan_by != "TimestampAscending":
            points.reverse()
        label = request.get("Label") or (query.id if query.metric is None else query.metric[1])
        result = {"Id": query.id, "Label": label, "StatusCode": "Complete"}
        results.append(
            result | {"Timestamps": [_moment(at) for at, _ in points], "Values": [value for _, value in points]}
        )
    return results


def _starts(start: datetime, end: datetime, period: int) -> list[float]:
    """Of the periods between the two, from the minute on in which `start` is."""
    first, last = epoch(start), epoch(end)
    if first >= last:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    first -= first % min(period, 60)
    number = int(-((first - last) // period))
    return [first + place * period for place in range(number)]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
