"""Lambda entry point of a custom resource in front of an endpoint: an endpoint that was stopped is there again before
CloudFormation updates it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3

from custom_resource.fulfilment import Made, fulfil
from keep_endpoints.endpoints import GONE, Lifetimes, describe, start
from keep_endpoints.lifetime import Named, State

_PAUSE = 10.0
_RESERVE = 30.0
"""Seconds that are left for the answer."""


class StartsSlowlyError(RuntimeError):
    """The endpoint is being started, and takes longer than a function may run."""


class StartFailedError(RuntimeError):
    """The endpoint could not be started with what it had before."""


@dataclass(frozen=True)
class Presence:
    """seconds_left: of the function's time. wait: sleeps for so many seconds."""

    sagemaker: Any
    ssm: Any
    seconds_left: Callable[[], float]
    wait: Callable[[float], None] = time.sleep

    def bring_about(self, properties: Mapping[str, Any], before: Mapping[str, Any] | None) -> Made:
        """Starts the endpoint of an update, with the configuration of before, and waits until it serves.

        properties: EndpointName, EndpointConfigName, Name in the settings, Environment. before: the same before an
        update. None: the endpoint is to be created, which is CloudFormation's work.
        """
        name = properties["EndpointName"]
        if before is None or before["EndpointName"] != name:
            return Made(name)
        if describe(self.sagemaker, name)["EndpointStatus"] not in (GONE, "Deleting", "Creating"):
            return Made(name)
        lifetimes = Lifetimes(self.ssm, properties["Environment"])
        # As it was, and not as it will be: CloudFormation then updates it as if it had never been away.
        endpoint = Named(name=properties["Name"], endpoint=name)
        state = lifetimes.states().get(endpoint.name, State())
        config = before["EndpointConfigName"]
        start(self.sagemaker, lifetimes, endpoint, state, config=config, wait=lambda: self._pause(name))
        while (described := describe(self.sagemaker, name))["EndpointStatus"] == "Creating":
            self._pause(name)
        if described["EndpointStatus"] != "InService":
            raise StartFailedError(
                f"{name} was stopped, and is {described['EndpointStatus']} after it was started as it was before: "
                f"{described.get('FailureReason', 'SageMaker says nothing')}. Delete it with `aws sagemaker "
                f"delete-endpoint --endpoint-name {name}` and take it out of the settings for one deployment."
            )
        return Made(name)

    def _pause(self, name: str) -> None:
        if self.seconds_left() < _RESERVE + _PAUSE:
            raise StartsSlowlyError(
                f"{name} was stopped, and is being started for this update; that goes on. Deploy again when `aws "
                f"sagemaker wait endpoint-in-service --endpoint-name {name}` has returned."
            )
        self.wait(_PAUSE)


def handle(event: dict[str, Any], context: Any) -> None:
    """Input: a request of CloudFormation for a custom resource with the properties that `Presence` reads.

    Deleting the resource forgets what was done about the endpoint. The answer goes to the request's ResponseURL, see
    `fulfil`.
    """
    ssm = boto3.client("ssm")
    presence = Presence(boto3.client("sagemaker"), ssm, lambda: context.get_remaining_time_in_millis() / 1000)
    if event["RequestType"] == "Delete":
        _forget(Lifetimes(ssm, event["ResourceProperties"]["Environment"]), event["ResourceProperties"]["Name"])
    before = event.get("OldResourceProperties")
    fulfil(event, lambda properties: presence.bring_about(properties, before), log=context.log_stream_name)


def _forget(lifetimes: Lifetimes, name: str) -> None:
    try:
        lifetimes.forget(name)
    except Exception as error:  # what is forgotten too late is only a parameter; a stack that stays is trouble
        print(f"The state of {name} stays: {error!r}")
