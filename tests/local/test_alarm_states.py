"""Data points, and what CloudWatch makes of them: statistics, expressions, states, rules."""

import math
from typing import Any

import pytest

from localcloud.cloudwatch import alarm_rule, metric_math
from localcloud.cloudwatch.alarm_state import Rule
from localcloud.cloudwatch.queries import DataPoints, Query
from localcloud.cloudwatch.samples import MetricStore, metric_id, sample_of, statistic

STATES = {"O": "OK", "A": "ALARM", "I": "INSUFFICIENT_DATA", "R": "as it was"}
NOW = "as it was"


def points(text: str) -> list[float | None]:
    """0 is within the threshold, X breaches it, - is missing; the newest is the last."""
    return [{"0": 0.0, "X": 9.0, "-": None}[each] for each in text]


# The tables of the user guide: 3 out of 3, and 2 out of 3 data points.
@pytest.mark.parametrize(
    ("datapoints", "data", "missing", "ignore", "breaching", "not_breaching"),
    [
        (3, "0-X-X", "O", "O", "O", "O"),
        (3, "----0", "O", "O", "O", "O"),
        (3, "-----", "I", "R", "A", "O"),
        (3, "0XX-X", "A", "A", "A", "A"),
        (3, "--X--", "A", "R", "A", "O"),
        (2, "0-X-X", "A", "A", "A", "A"),
        (2, "00X0X", "A", "A", "A", "A"),
        (2, "0-X--", "O", "O", "A", "O"),
        (2, "----0", "O", "O", "A", "O"),
        (2, "---X-", "A", "R", "A", "O"),
    ],
)
def test_missing_data_is_treated_as_the_tables_of_cloudwatch_say(
    datapoints: int, data: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    def state(treatment: str) -> str:
        return Rule("GreaterThanThreshold", 5, 3, datapoints, treatment).state(points(data), NOW)

    shown = [state(treatment) for treatment in ("missing", "ignore", "breaching", "notBreaching")]

    assert shown == [STATES[each] for each in (missing, ignore, breaching, not_breaching)]


@pytest.mark.parametrize(
    ("comparison", "at_threshold", "above"),
    [
        ("GreaterThanThreshold", "OK", "ALARM"),
        ("GreaterThanOrEqualToThreshold", "ALARM", "ALARM"),
        ("LessThanThreshold", "OK", "OK"),
        ("LessThanOrEqualToThreshold", "ALARM", "OK"),
    ],
)
def test_the_threshold_itself_counts_where_the_comparison_says_so(
    comparison: str, at_threshold: str, above: str
) -> None:
    rule = Rule(comparison, 5, 1, 1)

    assert (rule.state([5.0], NOW), rule.state([6.0], NOW)) == (at_threshold, above)


def test_a_percentile_is_of_the_values_and_not_of_their_sum() -> None:
    # Given 99 answers of 10 ms and one of 900, put as values and counts
    samples = [sample_of({"Values": [10.0, 900.0], "Counts": [98, 2]})]

    # Then their percentiles are those of the single answers
    assert statistic("p50", samples) == 10
    assert statistic("p99", samples) == 900
    assert statistic("SampleCount", samples) == 100


def test_statistic_values_have_no_percentile_and_all_other_statistics() -> None:
    samples = [sample_of({"StatisticValues": {"SampleCount": 4, "Sum": 20, "Minimum": 1, "Maximum": 9}})] * 2

    assert [statistic(name, samples) for name in ("Sum", "Average", "Minimum", "Maximum")] == [40, 5, 1, 9]
    assert statistic("p99", samples) is None


def test_an_unknown_statistic_is_an_error() -> None:
    with pytest.raises(ValueError, match="TM"):
        statistic("TM(10%:90%)", [sample_of({"Value": 1})])


def test_other_dimensions_are_another_metric() -> None:
    # Given a metric of an endpoint, and one of that name of its variant
    store = MetricStore()
    endpoint, variant = {"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "v"}
    store.put("AWS/SageMaker", {"MetricName": "Invocations", "Value": 1, "Dimensions": [endpoint]})
    store.put("AWS/SageMaker", {"MetricName": "Invocations", "Value": 2, "Dimensions": [endpoint, variant]})

    # Then each is only its own
    of_endpoint = store.value(metric_id("AWS/SageMaker", "Invocations", [endpoint]), "Sum", 0, math.inf)
    of_variant = store.value(metric_id("AWS/SageMaker", "Invocations", [variant, endpoint]), "Sum", 0, math.inf)
    assert (of_endpoint, of_variant) == (1, 2)


QUERIES: dict[str, Any] = {"errors": [1.0, None, 4.0], "calls": [10.0, 0.0, 8.0], "none": [None, None, None]}


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("100 * errors / calls", [10, None, 50]),
        ("FILL(errors, 0) + 1", [2, 1, 5]),
        ("FILL(errors, REPEAT)", [1, 1, 4]),
        ("IF(calls > 5, errors, -1)", [1, -1, 4]),
        ("IF(calls > 9 AND errors >= 1, 1, 0)", [1, None, 0]),
        ("SUM([errors, calls])", [11, 0, 12]),
        ("MAX(METRICS())", [10, 0, 8]),
        ("MIN([FILL(none, 3), calls])", [3, 0, 3]),
        ("calls - MAX(calls)", [0, -10, -2]),
        ("-(2 ^ 3) + 2 * 3", [-2, -2, -2]),
        ("none", [None, None, None]),
    ],
)
def test_an_expression_has_a_value_for_each_period(expression: str, values: list[float | None]) -> None:
    assert metric_math.evaluate(expression, QUERIES, 3) == values


@pytest.mark.parametrize("expression", ["calls +", "SEARCH('x')", "nothing * 2", "RATE(calls)", "calls calls"])
def test_an_expression_that_is_not_understood_is_an_error(expression: str) -> None:
    with pytest.raises(metric_math.ExpressionError):
        metric_math.evaluate(expression, QUERIES, 3)


def test_expressions_may_use_other_expressions() -> None:
    # Given an expression over another one, which is declared after it
    store = MetricStore()
    store.put("N", {"MetricName": "m", "Value": 5})
    queries = [
        Query("e1", expression="e2 * 2"),
        Query("e2", expression="m1 + 1"),
        Query("m1", metric_id("N", "m", ()), "Sum", 60),
    ]

    # Then it has the other one's values
    assert DataPoints(store, queries, [0.0], math.inf)["e1"] == [12]


def test_an_expression_that_needs_itself_is_an_error() -> None:
    queries = [Query("e1", expression="e2"), Query("e2", expression="e1")]

    with pytest.raises(metric_math.ExpressionError, match="itself"):
        _ = DataPoints(MetricStore(), queries, [0.0], 60)["e1"]


STATE_OF = {"on": "ALARM", "off": "OK", "new one": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ('ALARM("on")', True),
        ("ALARM(on) AND ALARM(off)", False),
        ("ALARM(off) OR OK(off) AND ALARM(on)", True),
        ('NOT (ALARM(on) OR INSUFFICIENT_DATA("new one"))', False),
        ("TRUE AND NOT FALSE", True),
    ],
)
def test_a_rule_holds_by_the_states_of_its_alarms(rule: str, holds: bool) -> None:
    assert alarm_rule.holds(rule, STATE_OF.__getitem__) is holds


@pytest.mark.parametrize("rule", ["ALARM(on", "on", "ALARM(on) XOR OK(off)", "", "NOT"])
def test_a_rule_that_cannot_be_read_is_an_error(rule: str) -> None:
    with pytest.raises(alarm_rule.RuleError):
        alarm_rule.holds(rule, STATE_OF.__getitem__)
