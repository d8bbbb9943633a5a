"""One look at all endpoints of an environment: warns of the ends that are near, and stops those that have come."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from keep_endpoints.endpoints import EndpointRefusalError, Lifetimes, describe, stop
from keep_endpoints.lifetime import (
    KEEP,
    WARN,
    Declaration,
    End,
    State,
    decide,
    end_of,
    forgotten,
    hour,
)
from keep_endpoints.traffic import last_requests


class NotAllLookedAtError(RuntimeError):
    """Some endpoints could not be looked at; all others were."""


@dataclass(frozen=True)
class Done:
    """What was done about an endpoint, for people. told: warned or stopped."""

    name: str
    told: str
    text: str


def look(clients: Mapping[str, Any], environment: str, topic: str, now: datetime) -> list[Done]:
    """Looks at each endpoint that has an end. clients: of sagemaker, ssm, cloudwatch, cloudformation and sns.

    topic: told of warnings and stops, in one message. Raises NotAllLookedAtError with what went wrong, at the end.
    """
    lifetimes = Lifetimes(clients["ssm"], environment)
    ending = [each for each in lifetimes.declarations().values() if each.hours or each.idle_hours]
    states, requests = lifetimes.states(), last_requests(clients["cloudwatch"], ending, now)
    done, failures = [], []
    for declaration in ending:
        name = declaration.name
        try:
            one = _look(clients, lifetimes, declaration, states.get(name, State()), requests.get(name), now)
        except Exception as error:  # one endpoint's trouble is not to keep the others running
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        done += [one] if one else []
    if done:
        clients["sns"].publish(TopicArn=topic, Subject=_subject(environment, done), Message=_message(environment, done))
    if failures:
        raise NotAllLookedAtError("; ".join(failures))
    return done


def _look(
    clients: Mapping[str, Any],
    lifetimes: Lifetimes,
    declaration: Declaration,
    state: State,
    last_request: datetime | None,
    now: datetime,
) -> Done | None:
    described = describe(clients["sagemaker"], declaration.endpoint)
    if described["EndpointStatus"] != "InService":
        return None
    created = described["CreationTime"]
    end = end_of(declaration, state, created, last_request)
    decision = decide(end, state, created, now)
    if end is None or decision == KEEP:
        if (kept := forgotten(end, state, now)) != state:
            lifetimes.write(declaration.name, kept)
        return None
    if decision == WARN:
        lifetimes.write(declaration.name, replace(state, warned=now))
        return Done(declaration.name, "warned", _warning(declaration, end, lifetimes.environment, now))
    try:
        stop(clients, lifetimes, declaration, state, end.why, now)
    except EndpointRefusalError as refusal:
        # A deployment is at it, or somebody was: the next look is in an hour, and nothing is lost.
        print(f"{declaration.name} is not stopped: {refusal}")
        return None
    return Done(declaration.name, "stopped", _stopped(declaration, end, lifetimes.environment))


def _warning(declaration: Declaration, end: End, environment: str, now: datetime) -> str:
    when = f"at {hour(end.at)}" if end.at > now else "within two hours"
    return (
        f"{declaration.endpoint} will be stopped {when}, because {end.why}. "
        f"To keep it: hfsm endpoints extend {declaration.name} --hours 24 --env {environment}"
    )


def _stopped(declaration: Declaration, end: End, environment: str) -> str:
    return (
        f"{declaration.endpoint} was stopped, because {end.why}. It costs nothing now; its configuration stays. "
        f"To have it again, with the same name: hfsm endpoints start {declaration.name} --env {environment}"
    )


def _subject(environment: str, done: list[Done]) -> str:
    """SNS takes 100 characters."""
    stopped, warned = (sum(each.told == told for each in done) for told in ("stopped", "warned"))
    parts = [
        *([f"{stopped} stopped"] if stopped else []),
        *([f"{warned} will be stopped"] if warned else []),
    ]
    return f"Endpoints of {environment}: {', '.join(parts)}"


def _message(environment: str, done: list[Done]) -> str:
    return "\n\n".join(
        [*(each.text for each in done), f"All of them, with their ends: hfsm endpoints list --env {environment}"]
    )
