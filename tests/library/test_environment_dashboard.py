"""The dashboard of an environment."""

import json
import re
from typing import Any

from aws_cdk.assertions import Template

from hf_sagemaker.environment_dashboard import EnvironmentDashboard


def _widgets(stack: Any) -> list[Any]:
    EnvironmentDashboard(stack, "Dashboard", environment="dev")
    (dashboard,) = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard").values()
    assert dashboard["Properties"]["DashboardName"] == "hf-sagemaker-dev"
    widgets: list[Any] = json.loads(dashboard["Properties"]["DashboardBody"])["widgets"]
    return widgets


def test_it_names_no_endpoint_and_so_does_not_grow(stack: Any) -> None:
    for widget in _widgets(stack):
        for line in widget["properties"].get("metrics", []):
            # Given only expressions: each finds the endpoints by itself, and at most ten
            assert len(line) == 1
            query = line[0]["expression"]
            assert query.endswith("LIMIT 10") or re.fullmatch(r"q \* [0-9.]+", query)


def test_each_query_orders_by_what_it_selects(stack: Any) -> None:
    text = json.dumps(_widgets(stack)).replace("\\", "")
    queries = re.findall(
        r'SELECT (\w+)\((\w+)\) FROM SCHEMA\("([^"]+)", ([^)]+)\) GROUP BY (\w+) ORDER BY (\w+)\(\)', text
    )
    assert {metric for _, metric, *_ in queries} >= {
        "Invocations",
        "Invocation5XXErrors",
        "ModelLatency",
        "DiskUtilization",
    }
    for selected, _, _, schema, by, ordered in queries:
        assert selected == ordered
        assert by in schema.split(", ")
