"""The endpoints of an environment: whether they serve and when they end; stopping, starting, extending.

The function that keeps them (lambda/keep_endpoints) does the same by the same rules.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.cloud import Parameters
from hfsm.errors import OperatorError, WrongUseError
from keep_endpoints import endpoints as keeping
from keep_endpoints.lifetime import Declaration, State, end_of, hour
from keep_endpoints.traffic import last_requests

_LONGEST_START = 3600.0
"""Seconds: as long as SageMaker lets a container take."""


class Endpoint(BaseModel):
    """status: SageMaker's, or stopped where it was stopped, or gone where it is not there and nobody knows why.

    since: when it was made, started or stopped; ends: when it will be stopped, both ISO 8601. why: of the end, or of
    the stop. None: not known, or it does not end.
    """

    name: str
    endpoint: str
    status: str
    since: str | None = None
    ends: str | None = None
    why: str | None = None


class Endpoints(BaseModel):
    """Those of an environment, by name."""

    schema_version: str = "1"
    environment: str
    endpoints: list[Endpoint]


@dataclass(frozen=True)
class StoppableEndpoint:
    """One endpoint of a disposable environment."""

    parameters: Parameters
    declaration: Declaration
    state: State

    def stop(self) -> str:
        """Stops it; says so. Raises OperatorError where it cannot be stopped now."""
        services = ("sagemaker", "cloudformation")
        clients = {name: self.parameters.cloud.client(name) for name in services}
        try:
            keeping.stop(clients, self._lifetimes, self.declaration, self.state, "somebody asked for it", _now())
        except keeping.EndpointRefusalError as refusal:
            raise OperatorError(f"Not stopped: {refusal}") from refusal
        environment = self.parameters.environment
        return (
            f"Stopped {self.declaration.endpoint}. To have it again: hfsm endpoints start {self.declaration.name} "
            f"--env {environment}"
        )

    def start(self) -> str:
        """Starts it, which takes minutes; says so. Raises OperatorError where nobody knows what it was."""
        try:
            started = keeping.start(
                self._sagemaker,
                self._lifetimes,
                self.declaration,
                self.state,
                wait=lambda: time.sleep(self.parameters.cloud.poll_seconds),
            )
        except keeping.EndpointRefusalError as refusal:
            raise OperatorError(f"Not started: {refusal}") from refusal
        status = self._described["EndpointStatus"]
        name = self.declaration.endpoint
        return f"{name} is being started." if started else f"{name} is there already: {status}."

    def wait(self) -> str:
        """Waits until it serves; says so. Raises OperatorError where it does not."""
        name, deadline = self.declaration.endpoint, time.monotonic() + _LONGEST_START
        while (described := self._described)["EndpointStatus"] in ("Creating", "Updating"):
            if time.monotonic() > deadline:
                raise OperatorError(f"{name} is not there after an hour; it goes on. Look with `hfsm endpoints list`.")
            time.sleep(self.parameters.cloud.poll_seconds)
        if described["EndpointStatus"] != "InService":
            raise OperatorError(
                f"{name} is {described['EndpointStatus']}: {described.get('FailureReason', 'SageMaker says no more')}. "
                "docs/runbooks.md#no-capacity says what to do where there are no instances."
            )
        return f"{name} is InService."

    def extend(self, hours: int) -> str:
        """Lets it live for so many hours from now; says when it ends. Raises OperatorError where it is stopped."""
        described, now = self._described, _now()
        if described["EndpointStatus"] == keeping.GONE:
            start = f"hfsm endpoints start {self.declaration.name} --env {self.parameters.environment}"
            raise OperatorError(f"{self.declaration.endpoint} is not there: {start}")
        state = replace(self.state, until=now + timedelta(hours=hours), warned=None)
        end = end_of(self.declaration, state, described["CreationTime"], self._last_request(now))
        if end is None:
            return f"{self.declaration.endpoint} has no end: nothing to extend."
        self._lifetimes.write(self.declaration.name, state)
        return f"{self.declaration.endpoint} is not stopped before {hour(end.at)}."

    @property
    def _lifetimes(self) -> keeping.Lifetimes:
        return _lifetimes(self.parameters)

    @property
    def _sagemaker(self) -> Any:
        return self.parameters.cloud.client("sagemaker")

    @property
    def _described(self) -> dict[str, Any]:
        return keeping.describe(self._sagemaker, self.declaration.endpoint)

    def _last_request(self, now: datetime) -> datetime | None:
        cloudwatch = self.parameters.cloud.client("cloudwatch")
        return last_requests(cloudwatch, [self.declaration], now).get(self.declaration.name)


def find(name: str, parameters: Parameters) -> StoppableEndpoint:
    """An endpoint that may be stopped. Raises WrongUseError, with those that there are, for any other."""
    lifetimes = _lifetimes(parameters)
    declarations = lifetimes.declarations()
    if name in declarations:
        return StoppableEndpoint(parameters, declarations[name], lifetimes.states().get(name, State()))
    if name in _names(parameters):
        raise WrongUseError(
            f"Endpoint {name!r} of {parameters.environment} is not stopped, started or extended: only real-time and "
            "multi-model endpoints of an environment with `disposable: true` are. docs/costs.md says what others cost "
            "when nobody asks them."
        )
    there = ", ".join(declarations) or "none"
    raise WrongUseError(f"{parameters.environment} has no endpoint {name!r} that can be stopped. It has: {there}.")


def read(parameters: Parameters) -> Endpoints:
    """Ask for all of them."""
    lifetimes, now = _lifetimes(parameters), _now()
    declarations, states = lifetimes.declarations(), lifetimes.states()
    requests = last_requests(parameters.cloud.client("cloudwatch"), list(declarations.values()), now)
    sagemaker = parameters.cloud.client("sagemaker")
    return Endpoints(
        environment=parameters.environment,
        endpoints=[
            _endpoint(
                name,
                keeping.describe(sagemaker, endpoint),
                endpoint,
                declarations.get(name),
                states.get(name, State()),
                requests.get(name),
            )
            for name, endpoint in sorted(_names(parameters).items())
        ],
    )


def show(found: Endpoints, console: Console) -> None:
    """Print them as a table."""
    if not found.endpoints:
        console.print(Text(f"{found.environment} serves nothing: no endpoint of its settings has a model."))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("endpoint", "in SageMaker", "status", "since", "ends", "because"):
        table.add_column(column, overflow="fold")
    for each in found.endpoints:
        table.add_row(each.name, each.endpoint, each.status, each.since, each.ends, each.why)
    console.print(table)


def _endpoint(
    name: str,
    described: dict[str, Any],
    endpoint: str,
    declaration: Declaration | None,
    state: State,
    last_request: datetime | None,
) -> Endpoint:
    status = described["EndpointStatus"]
    if status == keeping.GONE:
        if state.stopped is None:
            return Endpoint(name=name, endpoint=endpoint, status=keeping.GONE)
        return Endpoint(name=name, endpoint=endpoint, status="stopped", since=_iso(state.stopped), why=state.why)
    created = described["CreationTime"]
    end = end_of(declaration, state, created, last_request) if declaration else None
    return Endpoint(
        name=name,
        endpoint=endpoint,
        status=status,
        since=_iso(created),
        ends=_iso(end.at) if end else None,
        why=end.why if end else None,
    )


def _names(parameters: Parameters) -> dict[str, str]:
    """Name in the settings → name in SageMaker."""
    below = parameters.below("inference")
    split = {tuple(path.split("/")): value for path, value in below.items()}
    return {path[0]: value for path, value in split.items() if path[1:] == ("endpoint-name",)}


def _lifetimes(parameters: Parameters) -> keeping.Lifetimes:
    return keeping.Lifetimes(parameters.cloud.client("ssm"), parameters.environment)


def _now() -> datetime:
    return datetime.now(UTC)


def _iso(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
