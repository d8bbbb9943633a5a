"""Whether an endpoint is what was deployed, and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from smoke_request.asynchronous import ask_asynchronously
from smoke_request.example import Asked, Example, asked, shown

PAUSE = 5.0
"""Seconds between two attempts."""
ATTEMPTS = 12
"""A minute: an endpoint is in service when its first instance is, and may refuse for a moment; a model that fails does
so all the time."""
_IDLE = b"no capacity"
"""What SageMaker says of a component that has gone to zero copies, and comes back with the requests of callers."""
_PASSING = (429, 500, 502, 503, 504)


class NoAnswer(RuntimeError):  # noqa: N818 (the name is what people see as the reason of a failed deployment)
    """The endpoint is not what was deployed, or does not answer its example."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    """boto3 clients. runtime: of SageMaker's runtime."""

    runtime: Any
    sagemaker: Any
    s3: Any
    cloudformation: Any


def check(clients: Clients, properties: Mapping[str, Any], *, wait: Callable[[float], None]) -> str:
    """What it said, for people. wait: sleeps for so many seconds.

    Raises NoAnswer with endpoint, part, status, the first 500 characters of the answer, and what to do.
    """
    name = properties["EndpointName"]
    _assert_deployed(clients.sagemaker, name, properties["EndpointConfigName"])
    if "Example" not in properties:
        return f"{name} is in service as deployed; it has no example to be asked"
    example = Example.of(properties["Example"])
    if "Asynchronous" in properties:
        status, answer = ask_asynchronously(clients, name, example, properties["Asynchronous"], wait)
        if status is None:
            return f"{name} is in service as deployed, with no instance that could answer its example"
        answers = [(Asked("its only variant", {}), status, answer)]
    else:
        answers = [(each, *_ask(clients.runtime, name, each, example, wait)) for each in asked(properties)]
    told = []
    for each, status, answer in answers:
        if _IDLE in answer and "InferenceComponentName" in each.target:
            told.append(f"{each.name}: no copy to ask")
        elif 200 <= status < 300:
            told.append(f"{each.name}: {shown(answer)}")
        else:
            raise NoAnswer(_failed(name, each.name, status, answer))
    return f"{name} answered its example. {' '.join(told)}"


def is_rolling_back(cloudformation: Any, stack: str) -> bool:
    """Whether CloudFormation is bringing back what the stack had before."""
    return "ROLLBACK" in str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])


def _assert_deployed(sagemaker: Any, name: str, wanted: str) -> None:
    """SageMaker may have gone back to the configuration from before, and the endpoint is in service all the same."""
    found = sagemaker.describe_endpoint(EndpointName=name)
    status, reason = found["EndpointStatus"], found.get("FailureReason", "none was given")
    if found["EndpointConfigName"] != wanted:
        raise NoAnswer(
            f"The endpoint {name} serves {found['EndpointConfigName']} and not {wanted}, which was deployed: SageMaker "
            f"has rolled the update back by itself. Its reason: {reason} Look at the alarms that its settings name "
            "under update.rollback_alarms, and at the log group "
            f"/aws/sagemaker/Endpoints/{name}, mend the cause and deploy again."
        )
    if status != "InService":
        raise NoAnswer(f"The endpoint {name} is {status} after its update. Reason: {reason} Mend it and deploy again.")


def _ask(runtime: Any, name: str, each: Asked, example: Example, wait: Callable[[float], None]) -> tuple[int, bytes]:
    """Status and answer of the last attempt."""
    for attempt in range(ATTEMPTS):
        status, answer = _answer(runtime, name, each, example)
        if status not in _PASSING:
            break
        print(f"{name}, {each.name}, attempt {attempt + 1}: {status} {shown(answer)}")
        if attempt + 1 < ATTEMPTS:
            wait(PAUSE)
    return status, answer


def _answer(runtime: Any, name: str, each: Asked, example: Example) -> tuple[int, bytes]:
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=name, ContentType=example.content_type, Accept="*/*", Body=example.body, **each.target
        )
        return int(answer["ResponseMetadata"]["HTTPStatusCode"]), bytes(answer["Body"].read())
    except ClientError as error:
        # The container's own status and words are in a ModelError; other refusals are SageMaker's.
        said: Any = error.response
        status = said.get("OriginalStatusCode") or said["ResponseMetadata"]["HTTPStatusCode"]
        return int(status), (said.get("OriginalMessage") or said["Error"]["Message"]).encode()
    except BotoCoreError as error:
        return 504, str(error).encode()


def _failed(name: str, part: str, status: int, answer: bytes) -> str:
    return (
        f"The endpoint {name} ({part}) answered its example with {status}: {shown(answer)} "
        f"The log group /aws/sagemaker/Endpoints/{name} says why. Where the model is right and the example is not, "
        "mend `example` in the settings of the endpoint; else mend the model, its code or its image. Then deploy again."
    )
