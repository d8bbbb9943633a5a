"""Alarms of a running embedded AWS go off by themselves, and do what they are to do."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.embedded_aws import RunningLocalCloud

SOON_SECONDS = 20.0


def until(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + SOON_SECONDS
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


class Watched:
    """A metric of its own, and alarms on it. A minute of this embedded AWS is a second."""

    def __init__(self, running: RunningLocalCloud, name: str) -> None:
        self.cloudwatch = running.client("cloudwatch")
        self.name = name

    def put(self, *values: float) -> None:
        self.cloudwatch.put_metric_data(Namespace="Watched", MetricData=[{"MetricName": self.name, "Values": values}])

    def alarm(self, name: str, **more: Any) -> str:
        arguments = {
            "AlarmName": name,
            "Namespace": "Watched",
            "MetricName": self.name,
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5,
            "ComparisonOperator": "GreaterThanThreshold",
        }
        wanted = {name: value for name, value in (arguments | more).items() if value is not None}
        self.cloudwatch.put_metric_alarm(**wanted)
        return name

    def state(self, name: str) -> str:
        (found,) = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return str(found["StateValue"])

    def composite_state(self, name: str) -> str:
        found = self.cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        return str(found[0]["StateValue"])

    def put_until(self, value: float, look: Callable[[], str], wanted: str) -> None:
        """Goes on putting it, as a metric that is measured all the time, until the alarm is in that state."""

        def put_and_look() -> str:
            self.put(value)
            return look()

        until(put_and_look, lambda state: state == wanted)


@pytest.fixture
def watched(quick_localcloud: RunningLocalCloud, request: pytest.FixtureRequest) -> Watched:
    return Watched(quick_localcloud, request.node.name)


def queue_of(running: RunningLocalCloud, topic_name: str) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
    """A topic, and what has arrived at its one subscriber."""
    sns, sqs = running.client("sns"), running.client("sqs")
    topic = sns.create_topic(Name=topic_name)["TopicArn"]
    url = sqs.create_queue(QueueName=topic_name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    arrived: list[dict[str, Any]] = []

    def messages() -> list[dict[str, Any]]:
        arrived.extend(json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=url).get("Messages", []))
        return arrived

    return topic, messages


def test_a_new_alarm_has_no_data_yet(watched: Watched) -> None:
    name = watched.alarm("new-alarm", Period=86400)

    assert watched.state(name) == "INSUFFICIENT_DATA"


def test_an_alarm_without_a_metric_is_refused(watched: Watched) -> None:
    with pytest.raises(ClientError, match="MetricName"):
        watched.alarm("nothing-to-look-at", MetricName=None)


def test_an_alarm_follows_its_metric(quick_localcloud: RunningLocalCloud, watched: Watched) -> None:
    # Given an alarm that tells a topic
    topic, messages = queue_of(quick_localcloud, "alarm-follows")
    name = watched.alarm("follows", AlarmActions=[topic], OKActions=[topic])

    # When the metric stays low, rises, and falls again, then so does the alarm
    watched.put_until(1, lambda: watched.state(name), "OK")
    watched.put_until(9, lambda: watched.state(name), "ALARM")
    watched.put_until(2, lambda: watched.state(name), "OK")

    # And the topic hears of each change, with the states before and after
    heard = until(messages, lambda found: len(found) >= 3)
    changes = sorted((each["StateChangeTime"], each["OldStateValue"], each["NewStateValue"]) for each in heard)
    assert [each[1:] for each in changes] == [("INSUFFICIENT_DATA", "OK"), ("OK", "ALARM"), ("ALARM", "OK")]
    assert "9.0" in next(each for each in heard if each["NewStateValue"] == "ALARM")["NewStateReason"]


def test_disabled_actions_are_not_taken(quick_localcloud: RunningLocalCloud, watched: Watched) -> None:
    # Given an alarm without leave to act, and one with it
    topic, messages = queue_of(quick_localcloud, "disabled-actions")
    silent = watched.alarm("silent", AlarmActions=[topic], ActionsEnabled=False)
    heard = watched.alarm("heard", AlarmActions=[topic])

    # When both go off
    watched.put_until(9, lambda: watched.state(silent), "ALARM")
    watched.put_until(9, lambda: watched.state(heard), "ALARM")

    # Then only the second one is heard
    found = until(messages, lambda found: len(found) >= 1)
    assert {each["AlarmName"] for each in found} == {"heard"}


def test_an_alarm_on_a_percentile_and_an_expression(watched: Watched) -> None:
    # Given an alarm on the slowest answer, where others are quick
    metric = {"Namespace": "Watched", "MetricName": watched.name}
    slowest = {"Id": "slowest", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p99"}, "ReturnData": False}
    least = {"Id": "least", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Minimum"}, "ReturnData": False}
    alone = {"Id": "alone", "Expression": "IF(least < 5, slowest - least, 0)", "Label": "slower than the others"}
    name = watched.alarm(
        "slow-alone",
        Metrics=[slowest, least, alone],
        Threshold=50,
        **dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period")),
    )

    # When one answer is slow, then it goes off
    def one_is_slow() -> str:
        watched.put(*[1.0] * 9, 90.0)
        return watched.state(name)

    until(one_is_slow, lambda state: state == "ALARM")


def test_a_state_set_by_hand_holds_until_the_next_evaluation(watched: Watched) -> None:
    # Given an alarm without data, for which that is well
    name = watched.alarm("by-hand", TreatMissingData="notBreaching")
    until(lambda: watched.state(name), lambda state: state == "OK")

    # When somebody says that it is on
    watched.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test says so")

    # Then it is, until it is looked at
    assert watched.state(name) == "ALARM"
    until(lambda: watched.state(name), lambda state: state == "OK")


def test_a_composite_alarm_follows_its_rule(watched: Watched) -> None:
    # Given two alarms, and one that goes off with the first unless the second does
    first = watched.alarm("first", TreatMissingData="notBreaching")
    second = watched.alarm("second", Threshold=50, TreatMissingData="notBreaching")
    watched.cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule=f'ALARM("{first}") AND NOT ALARM({second})')

    # When only the first goes off, then so does it
    watched.put_until(9, lambda: watched.composite_state("both"), "ALARM")
    # And when the second goes off too, it ends
    watched.put_until(90, lambda: watched.composite_state("both"), "OK")
    assert watched.state(first) == "ALARM"


def test_a_composite_alarm_needs_alarms_that_exist(watched: Watched) -> None:
    with pytest.raises(ClientError, match="no-such-alarm"):
        watched.cloudwatch.put_composite_alarm(AlarmName="broken", AlarmRule="ALARM(no-such-alarm)")


def test_changing_an_alarm_keeps_its_state(watched: Watched) -> None:
    # Given an alarm that is on
    name = watched.alarm("kept")
    watched.put_until(9, lambda: watched.state(name), "ALARM")

    # When its description changes
    watched.alarm("kept", AlarmDescription="other words", Period=86400)

    # Then it is still on
    assert watched.state(name) == "ALARM"


def test_metric_data_is_answered_for_expressions_and_percentiles(watched: Watched) -> None:
    # Given values of a metric
    watched.put(1, 2, 3, 10)
    metric = {"Namespace": "Watched", "MetricName": watched.name}
    end = datetime.now(UTC) + timedelta(minutes=1)

    # When they are asked for
    results = watched.cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "sum", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "p99", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "p99"}},
            {"Id": "half", "Expression": "sum / 2", "Label": "half of it"},
        ],
        StartTime=end - timedelta(minutes=30),
        EndTime=end,
    )["MetricDataResults"]

    # Then only what returns data is answered
    assert {each["Id"]: each["Values"] for each in results} == {"p99": [10.0], "half": [8.0]}
    assert [each["Label"] for each in results] == [watched.name, "half of it"]


def test_statistics_have_percentiles_too(watched: Watched) -> None:
    watched.put(1, 2, 3, 10)
    end = datetime.now(UTC) + timedelta(minutes=1)

    (point,) = watched.cloudwatch.get_metric_statistics(
        Namespace="Watched",
        MetricName=watched.name,
        StartTime=end - timedelta(minutes=30),
        EndTime=end,
        Period=3600,
        Statistics=["Average"],
        ExtendedStatistics=["p50"],
    )["Datapoints"]

    assert point["Average"] == 4
    assert point["ExtendedStatistics"] == {"p50": 2.0}
