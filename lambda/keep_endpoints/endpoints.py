"""Endpoints of an environment that may be stopped: what is said of them, and how they are stopped and started.

Stopping deletes the SageMaker endpoint and nothing else: its configuration, its model, its alarms and what its stack
says of its scaling stay, so that it can be made again with the same name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from keep_endpoints.lifetime import Declaration, Named, State

_PREFIX = "/hf-sagemaker"
GONE = "gone"
"""The status of an endpoint that is not there."""


class EndpointRefusalError(RuntimeError):
    """An endpoint cannot be stopped or started now. Its text is for people."""


@dataclass(frozen=True)
class Lifetimes:
    """The parameters of an environment that say when its endpoints end, and what was done about it.

    ssm: a client.
    """

    ssm: Any
    environment: str

    def declarations(self) -> dict[str, Declaration]:
        """By name in the settings: the endpoints that may be stopped."""
        return {name: Declaration.read(name, text) for name, text in sorted(self._below("lifetimes").items())}

    def states(self) -> dict[str, State]:
        """By name in the settings: those of which there is something to say."""
        return {name: State.read(text) for name, text in self._below("lifetime-states").items()}

    def write(self, name: str, state: State) -> None:
        """Remembers a state."""
        self.ssm.put_parameter(Name=self._state(name), Value=state.written(), Type="String", Overwrite=True)

    def forget(self, name: str) -> None:
        """Of an endpoint that is no longer in the settings."""
        self.ssm.delete_parameters(Names=[self._state(name)])

    def _state(self, name: str) -> str:
        return f"{_PREFIX}/{self.environment}/lifetime-states/{name}"

    def _below(self, path: str) -> dict[str, str]:
        prefix = f"{_PREFIX}/{self.environment}/{path}"
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(Path=prefix)
        return {each["Name"].rpartition("/")[2]: each["Value"] for page in pages for each in page["Parameters"]}


def describe(sagemaker: Any, endpoint: str) -> dict[str, Any]:
    """The answer of DescribeEndpoint; of an endpoint that is not there, only EndpointStatus: GONE."""
    try:
        described: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if "Could not find endpoint" in error.response["Error"].get("Message", ""):
            return {"EndpointStatus": GONE}
        raise
    return described


def stop(
    clients: Mapping[str, Any], lifetimes: Lifetimes, declaration: Declaration, state: State, why: str, now: datetime
) -> State:
    """Deletes the endpoint, and remembers that. clients: of `sagemaker` and `cloudformation`. Returns the new state.

    Raises EndpointRefusalError where it does not serve, or a deployment is at it.
    """
    sagemaker, name = clients["sagemaker"], declaration.endpoint
    described = describe(sagemaker, name)
    status = described["EndpointStatus"]
    if status != "InService":
        raise EndpointRefusalError(f"{name} is {status}, and only an endpoint that is InService is stopped.")
    (stack,) = clients["cloudformation"].describe_stacks(StackName=declaration.stack)["Stacks"]
    if stack["StackStatus"].endswith("_IN_PROGRESS"):
        raise EndpointRefusalError(
            f"The stack {declaration.stack} of {name} is {stack['StackStatus']}: wait for the deployment's end."
        )
    tags = _tags(sagemaker, described["EndpointArn"])
    config = described["EndpointConfigName"]
    stopped = replace(state, stopped=now, why=why, config=config, tags=tags, until=None, warned=None)
    # Before it is gone: else what it was would be lost with it.
    lifetimes.write(declaration.name, stopped)
    sagemaker.delete_endpoint(EndpointName=name)
    return stopped


def start(
    sagemaker: Any,
    lifetimes: Lifetimes,
    endpoint: Named,
    state: State,
    *,
    config: str | None = None,
    wait: Callable[[], None],
) -> bool:
    """Makes the endpoint again. False: it is there.

    config: of which it is made. Omitted: that which it had when it was stopped.
    wait: sleeps until the next look at an endpoint that is just being deleted.

    Raises EndpointRefusalError where nobody knows what it was.
    """
    name = endpoint.endpoint
    status = describe(sagemaker, name)["EndpointStatus"]
    while status == "Deleting":
        wait()
        status = describe(sagemaker, name)["EndpointStatus"]
    if status != GONE:
        return False
    config = config or state.config
    if not config:
        raise EndpointRefusalError(
            f"{name} was not stopped but deleted by hand, and nobody has kept what it was. Its stack has its "
            "configuration: `aws cloudformation describe-stack-resources --stack-name <its stack>` names it, and `aws "
            f"sagemaker create-endpoint --endpoint-name {name} --endpoint-config-name <it>` makes the endpoint again. "
            "A deployment that changes the endpoint does so, too."
        )
    own = {"hf-sagemaker:environment": lifetimes.environment, "hf-sagemaker:endpoint": endpoint.name}
    tags = {**state.tags, **own}
    sagemaker.create_endpoint(
        EndpointName=name,
        EndpointConfigName=config,
        Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
    )
    lifetimes.write(endpoint.name, State())
    return True


def _tags(sagemaker: Any, arn: str) -> dict[str, str]:
    """Without those of AWS itself, which nobody else can set."""
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    tags = {each["Key"]: each["Value"] for page in pages for each in page["Tags"]}
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}
