"""`hfsm endpoints`: what serves and until when; stop, start, extend."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

DECLARED = {
    "endpoint": "dev-sentiment",
    "stack": "dev-EndpointSentiment",
    "variants": ["AllTraffic"],
    "hours": 72,
}


@pytest.fixture
def serving(serve: Any, put_parameters: Any) -> Any:
    """Endpoint `sentiment` of a disposable environment, which lives for 72 hours. Clients."""
    aws = serve([{"label": "POSITIVE", "score": 0.9}])
    put_parameters({"lifetimes/sentiment": json.dumps(DECLARED)})
    aws.client("cloudformation").create_stack(
        StackName=DECLARED["stack"], TemplateBody=json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}})
    )
    return aws


def _listed(hfsm: Any) -> dict[str, Any]:
    (only,) = json.loads(hfsm("endpoints", "list", "--json").out)["endpoints"]
    return dict(only)


def _is_there(aws: Any) -> bool:
    try:
        aws.client("sagemaker").describe_endpoint(EndpointName="dev-sentiment")
    except ClientError:
        return False
    return True


def test_the_end_is_listed_with_its_reason(hfsm: Any, serving: Any) -> None:
    row = _listed(hfsm)
    assert (row["name"], row["endpoint"], row["status"]) == ("sentiment", "dev-sentiment", "InService")
    lives = datetime.fromisoformat(row["ends"]) - datetime.fromisoformat(row["since"])
    assert lives == timedelta(hours=72)
    assert row["why"] == "it may live for 72 hours"
    assert "it may live for 72 hours" in hfsm("endpoints", "list").out


def test_a_stopped_one_is_started_again_with_its_name(hfsm: Any, serving: Any) -> None:
    # When it is stopped
    stopped = hfsm("endpoints", "stop", "sentiment", "--yes")
    # Then it is gone, listed as stopped, and the way back is said
    assert stopped.code == 0, stopped.err
    assert "hfsm endpoints start sentiment --env dev" in stopped.out
    assert not _is_there(serving)
    row = _listed(hfsm)
    assert (row["status"], row["why"]) == ("stopped", "somebody asked for it")
    # When it is started, then it serves under the same name and configuration
    started = hfsm("endpoints", "start", "sentiment")
    assert started.code == 0, started.err
    assert "dev-sentiment is being started.\ndev-sentiment is InService." in started.out
    described = serving.client("sagemaker").describe_endpoint(EndpointName="dev-sentiment")
    assert described["EndpointConfigName"] == "config"
    assert "is there already: InService" in hfsm("endpoints", "start", "sentiment").out


def test_nothing_is_stopped_without_a_yes(hfsm: Any, serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.confirm", lambda question: False)
    result = hfsm("endpoints", "stop", "sentiment")
    assert (result.code, result.out) == (1, "Not stopped.\n")
    assert _is_there(serving)


def test_an_extension_sets_a_new_end(hfsm: Any, serving: Any) -> None:
    result = hfsm("endpoints", "extend", "sentiment", "--hours", 100)
    assert result.code == 0, result.err
    ends = datetime.fromisoformat(_listed(hfsm)["ends"])
    assert abs(ends - datetime.now(UTC) - timedelta(hours=100)) < timedelta(minutes=5)
    assert f"dev-sentiment is not stopped before {ends:%Y-%m-%d %H:%M} UTC." in result.out


def test_a_stopped_one_is_not_extended(hfsm: Any, serving: Any) -> None:
    hfsm("endpoints", "stop", "sentiment", "--yes")
    result = hfsm("endpoints", "extend", "sentiment")
    assert result.code == 1
    assert "dev-sentiment is not there: hfsm endpoints start sentiment --env dev" in result.err


@pytest.mark.parametrize("command", ["stop", "start", "extend"])
def test_a_name_that_is_no_endpoints_is_told_with_those_that_are(hfsm: Any, serving: Any, command: str) -> None:
    result = hfsm("endpoints", command, "sentimnet")
    assert result.code == 2
    assert "dev has no endpoint 'sentimnet' that can be stopped. It has: sentiment." in result.err


def test_one_that_others_rely_on_is_never_stopped(hfsm: Any, serve: Any) -> None:
    # Given an endpoint of an environment that is not disposable, which declares no lifetimes
    aws = serve([])
    result = hfsm("endpoints", "stop", "sentiment", "--yes")
    assert result.code == 2
    assert "`disposable: true`" in result.err
    assert _is_there(aws)


def test_one_that_nobody_has_stopped_and_is_not_there_is_gone(hfsm: Any, serving: Any) -> None:
    serving.client("sagemaker").delete_endpoint(EndpointName="dev-sentiment")
    assert _listed(hfsm)["status"] == "gone"
    # And what it was, nobody has kept: the way back is said
    result = hfsm("endpoints", "start", "sentiment")
    assert result.code == 1
    assert "create-endpoint --endpoint-name dev-sentiment" in result.err


def test_an_environment_that_serves_nothing_says_so(hfsm: Any, deploy: Any) -> None:
    deploy()
    assert "dev serves nothing" in hfsm("endpoints", "list").out
