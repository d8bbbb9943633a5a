"""Endpoints that end: who is told when, what is stopped, and what a start makes again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from keep_endpoints import handler, presence
from keep_endpoints.endpoints import EndpointRefusalError, Lifetimes, start, stop
from keep_endpoints.lifetime import KEEP, STOP, WARN, Declaration, End, State, decide, end_of
from keep_endpoints.logic import NotAllLookedAtError, look
from keep_endpoints.presence import Presence, StartsSlowlyError
from tests.functions.waiting_stack import LOG, request_of

MADE = datetime(2026, 11, 21, 12, tzinfo=UTC)
TAGS = [{"Key": "hf-sagemaker:environment", "Value": "dev"}, {"Key": "team", "Value": "search"}]


def _declared(**others: Any) -> Declaration:
    names = {"name": "sentiment", "endpoint": "dev-sentiment", "stack": "dev-EndpointSentiment"}
    return Declaration(**{**names, "variants": ("AllTraffic",), **others})


def _after(hours: float) -> datetime:
    return MADE + timedelta(hours=hours)


# --- when it ends ----------------------------------------------------------------------------------------------------


def test_a_lifetime_counts_from_when_the_endpoint_was_made() -> None:
    end = end_of(_declared(hours=72), State(), MADE, last_request=_after(71))
    assert end is not None
    assert (end.at, end.lead) == (_after(72), timedelta(hours=18))


def test_idle_time_counts_from_the_last_request() -> None:
    declaration = _declared(idle_hours=8)
    ends = [end_of(declaration, State(), MADE, last) for last in (None, _after(5))]
    assert [end.at for end in ends if end] == [_after(8), _after(13)]


def test_of_two_ends_the_first_counts_unless_somebody_has_extended_it() -> None:
    declaration = _declared(hours=24, idle_hours=4)
    first = end_of(declaration, State(), MADE, None)
    extended = end_of(declaration, State(until=_after(30)), MADE, None)
    assert first is not None
    assert extended is not None
    assert first.at == _after(4)
    assert (extended.at, extended.why) == (_after(30), "that is how long it was extended")


def test_an_extension_never_shortens_a_life() -> None:
    end = end_of(_declared(hours=24), State(until=_after(2)), MADE, None)
    assert end is not None
    assert end.at == _after(24)


def test_without_limits_it_does_not_end() -> None:
    assert end_of(_declared(), State(), MADE, None) is None


@pytest.mark.parametrize(
    ("warned", "hours", "decision"),
    [
        (None, 5, KEEP),
        (None, 6, WARN),
        (6, 7, KEEP),
        (6, 8, STOP),
        # Nobody looked for a day: still nothing is stopped that nobody was told of, and not at once.
        (None, 30, WARN),
        (30, 30.5, KEEP),
        (30, 31, STOP),
        # A warning about another endpoint, which had the name before.
        (-5, 8, WARN),
    ],
)
def test_people_are_told_before(warned: float | None, hours: float, decision: str) -> None:
    state = State(warned=None if warned is None else _after(warned))
    end = End(_after(8), timedelta(hours=2), "idle")
    assert decide(end, state, MADE, _after(hours)) == decision


def test_a_state_is_read_as_it_was_written() -> None:
    state = State(
        until=_after(1),
        warned=_after(2),
        stopped=_after(3),
        why="its time is over",
        config="c",
        tags={"team": "search"},
    )
    assert State.read(state.written()) == state
    assert State.read(None) == State()


# --- looks -----------------------------------------------------------------------------------------------------------


@dataclass
class Account:
    """An environment with endpoints, whose stacks are quiet unless `busy`; and what people were told."""

    clients: dict[str, Any]
    busy: bool = False
    told: list[dict[str, str]] = field(default_factory=list)

    def describe_stacks(self, **request: str) -> dict[str, Any]:
        status = "UPDATE_IN_PROGRESS" if self.busy else "UPDATE_COMPLETE"
        return {"Stacks": [{"StackName": request["StackName"], "StackStatus": status}]}

    def publish(self, **request: str) -> None:
        assert len(request["Subject"]) <= 100
        self.told.append(request)

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(self.clients["ssm"], "dev")

    def serve(self, name: str = "sentiment", **limits: int) -> datetime:
        """Makes an endpoint and its declaration. Returns when it was made."""
        sagemaker = self.clients["sagemaker"]
        sagemaker.create_endpoint(EndpointName=f"dev-{name}", EndpointConfigName="config-1", Tags=TAGS)
        content = {
            "endpoint": f"dev-{name}",
            "stack": f"dev-Endpoint{name.capitalize()}",
            "variants": ["AllTraffic"],
            **limits,
        }
        name = f"/hf-sagemaker/dev/lifetimes/{name}"
        self.clients["ssm"].put_parameter(Name=name, Value=json.dumps(content), Type="String")
        return datetime.now(UTC)

    def ask(self, at: datetime) -> None:
        """A request to dev-sentiment, as CloudWatch saw it."""
        dimensions = [
            {"Name": "EndpointName", "Value": "dev-sentiment"},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ]
        datum = {"MetricName": "Invocations", "Dimensions": dimensions, "Timestamp": at, "Value": 1}
        self.clients["cloudwatch"].put_metric_data(Namespace="AWS/SageMaker", MetricData=[datum])

    def look(self, now: datetime) -> list[str]:
        return [done.told for done in look(self.clients, "dev", "topic", now)]

    @property
    def names(self) -> list[str]:
        return [each["EndpointName"] for each in self.clients["sagemaker"].list_endpoints()["Endpoints"]]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        clients = {name: boto3.client(name, region_name="us-east-1") for name in ("sagemaker", "ssm", "cloudwatch")}
        role = "arn:aws:iam::123456789012:role/serving"
        clients["sagemaker"].create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": "image"})
        variant = {"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.m5.large"}
        for config in ("config-1", "config-2"):
            clients["sagemaker"].create_endpoint_config(
                EndpointConfigName=config, ProductionVariants=[variant | {"InitialInstanceCount": 1}]
            )
        made = Account(clients)
        clients |= {"cloudformation": made, "sns": made}
        yield made


def test_an_idle_endpoint_is_told_of_once_and_then_stopped(account: Account) -> None:
    # Given an endpoint that nobody asks
    made = account.serve(idle_hours=8)
    # When looks come, then people are told once, and it is stopped at its end
    hours = [account.look(made + timedelta(hours=hour)) for hour in range(1, 9)]
    assert hours == [[], [], [], [], [], ["warned"], [], ["stopped"]]
    assert account.names == []
    warning, end = account.told
    assert warning["Subject"] == "Endpoints of dev: 1 will be stopped"
    assert "nobody has asked it anything for 8 hours" in warning["Message"]
    assert "hfsm endpoints extend sentiment --hours 24 --env dev" in warning["Message"]
    assert "hfsm endpoints start sentiment --env dev" in end["Message"]
    # And its configuration and tags stay, for a start
    configs = account.clients["sagemaker"].list_endpoint_configs()["EndpointConfigs"]
    assert "config-1" in [each["EndpointConfigName"] for each in configs]
    assert account.lifetimes.states()["sentiment"].tags == {"hf-sagemaker:environment": "dev", "team": "search"}


def test_one_request_moves_the_end_and_people_are_told_again(account: Account) -> None:
    made = account.serve(idle_hours=8)
    assert account.look(made + timedelta(hours=7)) == ["warned"]
    account.ask(made + timedelta(hours=7, minutes=20))
    # The hour of a request counts until its end
    assert account.look(made + timedelta(hours=9)) == []
    assert account.names == ["dev-sentiment"]
    assert account.look(made + timedelta(hours=14, minutes=30)) == ["warned"]


def test_two_endpoints_are_told_of_in_one_message(account: Account) -> None:
    made = account.serve(hours=4)
    account.serve("toxicity", hours=4)
    assert account.look(made + timedelta(hours=3, minutes=30)) == ["warned", "warned"]
    (message,) = account.told
    assert "dev-sentiment will be stopped" in message["Message"]
    assert "dev-toxicity will be stopped" in message["Message"]


def test_an_endpoint_without_limits_stays(account: Account) -> None:
    made = account.serve()
    assert account.look(made + timedelta(days=400)) == []
    assert account.names == ["dev-sentiment"]


def test_an_endpoint_that_is_being_deployed_is_not_stopped(account: Account) -> None:
    # Given one whose time is over, and that people were told of
    made = account.serve(hours=4)
    account.look(made + timedelta(hours=3, minutes=5))
    account.busy = True
    # When the next look comes, then it stays, until that is over
    assert account.look(made + timedelta(hours=5)) == []
    assert account.names == ["dev-sentiment"]
    account.busy = False
    assert account.look(made + timedelta(hours=6)) == ["stopped"]


def test_one_that_cannot_be_looked_at_does_not_keep_the_others(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = account.serve("broken", hours=4)
    account.serve(hours=4)
    describe = account.clients["sagemaker"].describe_endpoint

    def refuse(**request: str) -> Any:
        if request["EndpointName"] == "dev-broken":
            raise PermissionError("no")
        return describe(**request)

    monkeypatch.setattr(account.clients["sagemaker"], "describe_endpoint", refuse)
    with pytest.raises(NotAllLookedAtError, match="broken: PermissionError: no"):
        account.look(made + timedelta(hours=3, minutes=5))
    assert "dev-sentiment will be stopped" in account.told[0]["Message"]


def test_the_handler_looks_with_what_the_rule_says(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.serve(hours=4)
    monkeypatch.setattr(handler.boto3, "client", lambda name: account.clients[name])
    assert handler.handle({"environment": "dev", "topic": "topic"}, None) == []


# --- start, and the resource in front of an endpoint -----------------------------------------------------------------


def _stopped(account: Account) -> None:
    account.serve()
    declaration = account.lifetimes.declarations()["sentiment"]
    stop(account.clients, account.lifetimes, declaration, State(), "asked for", datetime.now(UTC))


def test_a_start_makes_it_again_with_its_name_configuration_and_tags(account: Account) -> None:
    _stopped(account)
    declaration, state = account.lifetimes.declarations()["sentiment"], account.lifetimes.states()["sentiment"]
    sagemaker = account.clients["sagemaker"]
    assert start(sagemaker, account.lifetimes, declaration, state, wait=lambda: pytest.fail("waited"))
    described = sagemaker.describe_endpoint(EndpointName="dev-sentiment")
    assert described["EndpointConfigName"] == "config-1"
    tags = {each["Key"]: each["Value"] for each in sagemaker.list_tags(ResourceArn=described["EndpointArn"])["Tags"]}
    assert tags == {"hf-sagemaker:environment": "dev", "hf-sagemaker:endpoint": "sentiment", "team": "search"}
    assert account.lifetimes.states()["sentiment"] == State()


def test_what_nobody_has_stopped_is_not_started(account: Account) -> None:
    # Given an endpoint that somebody has deleted
    account.serve()
    sagemaker, declaration = account.clients["sagemaker"], account.lifetimes.declarations()["sentiment"]
    sagemaker.delete_endpoint(EndpointName="dev-sentiment")
    # When it is to be started, then what it was is not guessed
    with pytest.raises(EndpointRefusalError, match="nobody has kept what it was"):
        start(sagemaker, account.lifetimes, declaration, State(), wait=lambda: pytest.fail("waited"))


def test_what_is_there_is_not_started(account: Account) -> None:
    account.serve()
    declaration = account.lifetimes.declarations()["sentiment"]
    sagemaker = account.clients["sagemaker"]
    assert not start(sagemaker, account.lifetimes, declaration, State(), wait=lambda: pytest.fail("waited"))


def test_what_is_not_there_is_not_stopped(account: Account) -> None:
    _stopped(account)
    declaration = account.lifetimes.declarations()["sentiment"]
    with pytest.raises(EndpointRefusalError, match="dev-sentiment is gone"):
        stop(account.clients, account.lifetimes, declaration, State(), "asked for", datetime.now(UTC))


def _properties(config: str, name: str = "dev-sentiment") -> dict[str, str]:
    return {"Environment": "dev", "Name": "sentiment", "EndpointName": name, "EndpointConfigName": config}


def _presence(account: Account, seconds: float = 900) -> Presence:
    return Presence(account.clients["sagemaker"], account.clients["ssm"], lambda: seconds, wait=lambda _: None)


def test_a_stopped_endpoint_is_back_as_it_was_before_an_update(account: Account) -> None:
    # Given a stopped endpoint, and a deployment that gives it another configuration
    _stopped(account)
    # When CloudFormation comes to the resource in front of it
    made = _presence(account).bring_about(_properties("config-2"), _properties("config-1"))
    # Then the endpoint is there with what CloudFormation believes it has, and can be updated
    assert made.physical_id == "dev-sentiment"
    described = account.clients["sagemaker"].describe_endpoint(EndpointName="dev-sentiment")
    assert described["EndpointConfigName"] == "config-1"


@pytest.mark.parametrize("before", [None, _properties("config-1", name="dev-other")])
def test_an_endpoint_that_is_to_be_created_is_left_to_cloudformation(account: Account, before: Any) -> None:
    _presence(account).bring_about(_properties("config-2"), before)
    assert account.names == []


def test_an_endpoint_that_serves_is_left_alone(account: Account) -> None:
    account.serve()
    _presence(account).bring_about(_properties("config-2"), _properties("config-1"))
    described = account.clients["sagemaker"].describe_endpoint(EndpointName="dev-sentiment")
    assert described["EndpointConfigName"] == "config-1"


def test_a_start_that_takes_too_long_is_told_and_goes_on(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    _stopped(account)
    sagemaker = account.clients["sagemaker"]
    describe = sagemaker.describe_endpoint
    monkeypatch.setattr(sagemaker, "describe_endpoint", lambda **k: describe(**k) | {"EndpointStatus": "Creating"})
    account.clients["sagemaker"].create_endpoint(EndpointName="dev-sentiment", EndpointConfigName="config-1")
    with pytest.raises(StartsSlowlyError, match="wait endpoint-in-service --endpoint-name dev-sentiment"):
        _presence(account, seconds=20).bring_about(_properties("config-2"), _properties("config-1"))
    assert account.names == ["dev-sentiment"]


class _Context:
    log_stream_name = LOG

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def test_deleting_the_resource_forgets_what_was_done(
    account: Account, monkeypatch: pytest.MonkeyPatch, waiting: Any
) -> None:
    _stopped(account)
    monkeypatch.setattr(presence.boto3, "client", lambda name: account.clients[name])
    event = request_of(
        waiting, "Delete", ResourceProperties=_properties("config-1"), PhysicalResourceId="dev-sentiment"
    )
    presence.handle(event, _Context())
    ((answer, _),) = waiting.answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "dev-sentiment")
    assert account.lifetimes.states() == {}
