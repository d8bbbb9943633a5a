"""The JSON of a CloudWatch dashboard: widgets in rows. Plain, since each widget of the CDK costs calls into another
process, and there are hundreds of endpoints. Imports no CDK.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_COLUMNS = 24
_HEIGHT = 6
Widget = dict[str, Any]
"""As CloudWatch's dashboard body has it, without its place."""
Line = list[Any]
"""A metric or an expression, as a widget's `metrics` has it."""


def metric(namespace: str, name: str, dimensions: Mapping[str, str], **options: Any) -> Line:
    """One metric. options: stat, label, id, visible, yAxis and so on, as CloudWatch knows them."""
    return [namespace, name, *(word for pair in dimensions.items() for word in pair), options]


def expression(text: str, label: str, **options: Any) -> Line:
    """Metric math, or a query of Metrics Insights."""
    return [{"expression": text, "label": label, **options}]


@dataclass(frozen=True)
class Axis:
    """Of a graph, on the left. label: the unit. highest: omitted: what the data say. It begins at zero."""

    label: str
    highest: float | None = None


def graph(
    title: str,
    lines: Sequence[Line],
    *,
    region: str,
    axis: Axis,
    right: str | None = None,
    period: int = 60,
    stacked: bool = False,
) -> Widget:
    """Lines over time. right: unit of the lines that say `yAxis: right`. Omitted: there are none. period: seconds."""
    left = {"label": axis.label, "min": 0, "showUnits": False}
    if axis.highest is not None:
        left["max"] = axis.highest
    axes = {"left": left, **({"right": {"label": right, "min": 0, "showUnits": False}} if right else {})}
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "view": "timeSeries",
            "stacked": stacked,
            "region": region,
            "period": period,
            "metrics": list(lines),
            "yAxis": axes,
        },
    }


def text(markdown: str) -> Widget:
    """Words, where a graph would be."""
    return {"type": "text", "properties": {"markdown": markdown}}


def alarms(title: str, arns: Sequence[str]) -> Widget:
    """Which of these alarms are on. CloudWatch takes a hundred."""
    return {"type": "alarm", "properties": {"title": title, "alarms": list(arns)}}


def body(rows: Sequence[Sequence[Widget]]) -> str:
    """The dashboard's body: each row as wide as all, its widgets equally wide."""
    placed = []
    for number, row in enumerate(rows):
        width = _COLUMNS // len(row)
        placed += [
            {"x": place * width, "y": number * _HEIGHT, "width": width, "height": _HEIGHT, **widget}
            for place, widget in enumerate(row)
        ]
    return json.dumps({"start": "-PT3H", "periodOverride": "inherit", "widgets": placed})
