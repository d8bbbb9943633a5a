"""When endpoints were last asked something, by CloudWatch."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from keep_endpoints.lifetime import Declaration

_PERIOD = 3600
_QUERIES = 500
"""Of one call, at most."""


def last_requests(cloudwatch: Any, declarations: Sequence[Declaration], now: datetime) -> Mapping[str, datetime]:
    """By name in the settings: the end of the last hour with a request, or now. Without: none in its idle time."""
    queries = [
        (declaration.name, declaration.idle_hours, _query(declaration.endpoint, variant))
        for declaration in declarations
        if declaration.idle_hours
        for variant in declaration.variants
    ]
    found: dict[str, datetime] = {}
    for first in range(0, len(queries), _QUERIES):
        part = queries[first : first + _QUERIES]
        longest = max(hours for _, hours, _ in part)
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query | {"Id": f"q{number}"} for number, (_, _, query) in enumerate(part)],
            StartTime=now - timedelta(hours=longest + 1),
            EndTime=now,
            ScanBy="TimestampDescending",
        )
        for result in (each for page in pages for each in page["MetricDataResults"]):
            name = part[int(result["Id"][1:])][0]
            for start, value in zip(result["Timestamps"], result["Values"], strict=True):
                if value > 0:
                    end = min(start + timedelta(seconds=_PERIOD), now)
                    found[name] = max(end, found.get(name, end))
    return found


def _query(endpoint: str, variant: str) -> dict[str, Any]:
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations", "Dimensions": dimensions}
    return {"MetricStat": {"Metric": metric, "Period": _PERIOD, "Stat": "Sum"}}
