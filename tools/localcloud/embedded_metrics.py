"""The embedded metric format: lines of a log that CloudWatch makes metrics of."""

import json
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends


def take_in(account: str, region: str, lines: list[str]) -> None:
    """Puts the metrics of those lines that hold some; CloudWatch leaves a line alone that it cannot read."""
    for line in lines:
        if not line.startswith("{") or '"_aws"' not in line:
            continue
        try:
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                data = _data(document, directive)
                cloudwatch_backends[account][region].put_metric_data(directive["Namespace"], data)
        except (ValueError, KeyError, TypeError):
            continue


def _data(document: dict[str, Any], directive: dict[str, Any]) -> list[dict[str, Any]]:
    # moto keeps times without their zone.
    moment = datetime.fromtimestamp(document["_aws"]["Timestamp"] / 1000, UTC).replace(tzinfo=None)
    return [
        {
            "MetricName": metric["Name"],
            "Value": float(value),
            "Unit": metric.get("Unit", "None"),
            "Timestamp": moment,
            "Dimensions": [{"Name": name, "Value": str(document[name])} for name in names],
        }
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
        for value in _values(document[metric["Name"]])
    ]


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
