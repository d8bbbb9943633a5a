"""The request after an update: what counts as an answer, what is asked again, and what people are told."""

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from smoke_request import handler, logic
from smoke_request.logic import Clients
from tests.functions.waiting_stack import LOG, request_of

EXAMPLE = {"ContentType": "application/json", "Body": '{"inputs": "good"}'}
PROPERTIES = {"EndpointName": "dev-text", "EndpointConfigName": "new", "Variants": ["AllTraffic"], "Example": EXAMPLE}
GOOD = (200, b'[{"label": "POSITIVE"}]')


def _model_error(status: int, message: str) -> ClientError:
    response: Any = {
        "Error": {"Code": "ModelError", "Message": "Received client error from primary"},
        "ResponseMetadata": {"HTTPStatusCode": 424},
        "OriginalStatusCode": status,
        "OriginalMessage": message,
    }
    return ClientError(response, "InvokeEndpoint")


class Endpoint:
    """SageMaker, its runtime, S3 and CloudFormation with one endpoint.

    answers: of the next requests, the last one again and again: status and body, or what is raised.
    objects: of S3. later: objects that come with the so-many-th look.
    """

    def __init__(self, *answers: Any, config: str = "new", status: str = "InService") -> None:
        self.answers = list(answers) or [GOOD]
        self.config, self.status = config, status
        self.stack = "UPDATE_IN_PROGRESS"
        self.instances = 1
        self.asked: list[dict[str, Any]] = []
        self.objects: dict[str, bytes] = {}
        self.later: dict[str, tuple[int, bytes]] = {}
        self.looks = 0

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 the API's name
        return {
            "EndpointName": EndpointName,
            "EndpointStatus": self.status,
            "EndpointConfigName": self.config,
            "FailureReason": "an alarm went off.",
            "ProductionVariants": [{"CurrentInstanceCount": self.instances}],
        }

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert StackName.endswith("/1")
        return {"Stacks": [{"StackStatus": self.stack}]}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        return {"ResponseMetadata": {"HTTPStatusCode": status}, "Body": io.BytesIO(body)}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return {"OutputLocation": "s3://data/out/1.out", "FailureLocation": "s3://data/failed/1.out"}

    def put_object(self, **request: Any) -> None:
        self.objects[request["Key"]] = request["Body"]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self.looks += 1
        if Key in self.later and self.looks >= self.later[Key][0]:
            return {"Body": io.BytesIO(self.later[Key][1])}
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Bucket}}, "GetObject")


@pytest.fixture
def deploy(waiting: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """CloudFormation asks the function; what that answers. pauses: seconds that it slept."""

    def run(endpoint: Endpoint, pauses: list[float] | None = None, **properties: Any) -> dict[str, Any]:
        monkeypatch.setattr(handler.boto3, "client", lambda *_, **__: endpoint)
        monkeypatch.setattr(handler.time, "sleep", (pauses if pauses is not None else []).append)
        request = request_of(waiting, "Update", PhysicalResourceId="before", ResourceProperties=PROPERTIES | properties)
        handler.handle(request, SimpleNamespace(log_stream_name=LOG))
        answer: dict[str, Any] = waiting.answers[-1][0]
        return answer

    return run


def test_an_answer_lets_the_deployment_go_on(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint()
    answer = deploy(endpoint)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "smoke-request-of-dev-text")
    assert "POSITIVE" in answer["Data"]["Said"]
    assert endpoint.asked == [
        {
            "EndpointName": "dev-text",
            "ContentType": "application/json",
            "Accept": "*/*",
            "Body": b'{"inputs": "good"}',
            "TargetVariant": "AllTraffic",
        }
    ]


def test_each_variant_is_asked(deploy: Callable[..., dict[str, Any]]) -> None:
    # Given two variants, of which the second fails
    endpoint = Endpoint(GOOD, _model_error(400, "no tokenizer"))
    answer = deploy(endpoint, Variants=["Champion", "Challenger"])
    assert [each["TargetVariant"] for each in endpoint.asked] == ["Champion", "Challenger"]
    assert "dev-text (Challenger) answered its example with 400: no tokenizer" in answer["Reason"]


def test_each_component_is_asked_by_its_name(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint()
    deploy(endpoint, Variants=[], Components=["dev-text-a", "dev-text-b"])
    assert [each["InferenceComponentName"] for each in endpoint.asked] == ["dev-text-a", "dev-text-b"]


def test_a_component_without_a_copy_cannot_be_asked(deploy: Callable[..., dict[str, Any]]) -> None:
    # Given a first component that has gone to zero, and a second that answers
    refusal = ClientError(
        {
            "Error": {"Code": "ValidationError", "Message": "Inference Component has no capacity to process this"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        },
        "InvokeEndpoint",
    )
    answer = deploy(Endpoint(refusal, GOOD), Variants=[], Components=["dev-text-a", "dev-text-b"])
    assert answer["Status"] == "SUCCESS"
    assert "dev-text-a: no copy to ask" in answer["Data"]["Said"]


def test_a_serverless_endpoint_takes_no_target(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint()
    deploy(endpoint, Variants=[])
    assert not {"TargetVariant", "InferenceComponentName"} & set(endpoint.asked[0])


def test_a_model_of_a_multi_model_endpoint_is_named(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint()
    deploy(endpoint, TargetModel="a.tar.gz")
    assert endpoint.asked[0]["TargetModel"] == "a.tar.gz"


def test_an_example_that_is_no_text_is_sent_as_it_is(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint()
    deploy(endpoint, Example={"ContentType": "image/png", "BodyBase64": "iVBORw=="})
    assert endpoint.asked[0]["Body"] == b"\x89PNG"


def test_a_model_that_fails_is_told_with_what_to_do(deploy: Callable[..., dict[str, Any]]) -> None:
    answer = deploy(Endpoint(_model_error(400, "x" * 3000)))
    assert answer["Status"] == "FAILED"
    reason = answer["Reason"]
    assert f"answered its example with 400: {'x' * 500} The log group /aws/sagemaker/Endpoints/dev-text" in reason
    assert "mend `example` in the settings" in reason


@pytest.mark.parametrize(
    "refusal",
    [
        _model_error(503, "no worker"),
        _model_error(500, "not yet"),
        ReadTimeoutError(endpoint_url="https://runtime"),
    ],
)
def test_a_refusal_for_a_moment_is_waited_for(deploy: Callable[..., dict[str, Any]], refusal: Exception) -> None:
    pauses: list[float] = []
    answer = deploy(Endpoint(refusal, refusal, GOOD), pauses)
    assert (answer["Status"], pauses) == ("SUCCESS", [logic.PAUSE] * 2)


def test_a_model_that_always_fails_is_not_asked_for_ever(deploy: Callable[..., dict[str, Any]]) -> None:
    pauses: list[float] = []
    endpoint = Endpoint(_model_error(500, "CUDA error"))
    answer = deploy(endpoint, pauses)
    assert (answer["Status"], len(endpoint.asked), sum(pauses)) == ("FAILED", 12, 55)


def test_a_wrong_request_is_not_asked_twice(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint(_model_error(415, "no"))
    deploy(endpoint)
    assert len(endpoint.asked) == 1


def test_what_sagemaker_rolled_back_in_silence_is_a_failed_deployment(deploy: Callable[..., dict[str, Any]]) -> None:
    # Given an endpoint that is in service, with what it had before
    endpoint = Endpoint(config="old")
    answer = deploy(endpoint)
    assert answer["Status"] == "FAILED"
    assert "serves old and not new" in answer["Reason"]
    assert "an alarm went off." in answer["Reason"]
    assert endpoint.asked == []


def test_an_endpoint_out_of_service_is_a_failed_deployment(deploy: Callable[..., dict[str, Any]]) -> None:
    assert "dev-text is Failed" in deploy(Endpoint(status="Failed"))["Reason"]


def test_while_the_stack_rolls_back_it_only_tells(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint(_model_error(400, "as before"))
    endpoint.stack = "UPDATE_ROLLBACK_IN_PROGRESS"
    answer = deploy(endpoint)
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["Said"].startswith("rolled back, and still: The endpoint dev-text")


def test_without_an_example_it_is_what_was_deployed_that_counts(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint()
    properties = {name: value for name, value in PROPERTIES.items() if name != "Example"}
    said = logic.check(
        Clients(runtime=endpoint, sagemaker=endpoint, s3=endpoint, cloudformation=endpoint), properties, wait=print
    )
    assert said.endswith("it has no example to be asked")
    assert endpoint.asked == []


ASYNCHRONOUS = {"Asynchronous": {"Bucket": "data", "Prefix": "asynchronous/input/"}, "Variants": []}


def test_an_asynchronous_endpoint_answers_with_an_object(deploy: Callable[..., dict[str, Any]]) -> None:
    # Given an answer that comes after some looks
    endpoint = Endpoint()
    endpoint.later = {"out/1.out": (6, json.dumps([{"label": "POSITIVE"}]).encode())}
    answer = deploy(endpoint, **ASYNCHRONOUS)
    # Then the example was put where the endpoint reads, and the answer counts
    assert endpoint.objects == {"asynchronous/input/smoke/dev-text": b'{"inputs": "good"}'}
    assert endpoint.asked[0]["InputLocation"] == "s3://data/asynchronous/input/smoke/dev-text"
    assert (answer["Status"], "POSITIVE" in answer["Data"]["Said"]) == ("SUCCESS", True)


def test_an_asynchronous_failure_is_told(deploy: Callable[..., dict[str, Any]]) -> None:
    endpoint = Endpoint()
    endpoint.later = {"failed/1.out": (2, b"model failed to load")}
    answer = deploy(endpoint, **ASYNCHRONOUS)
    assert "answered its example with 500: model failed to load" in answer["Reason"]


@pytest.mark.parametrize(("instances", "status"), [(1, "FAILED"), (0, "SUCCESS")])
def test_no_answer_at_all_counts_where_an_instance_could_have_given_it(
    deploy: Callable[..., dict[str, Any]], instances: int, status: str
) -> None:
    endpoint = Endpoint()
    endpoint.instances = instances
    pauses: list[float] = []
    assert deploy(endpoint, pauses, **ASYNCHRONOUS)["Status"] == status
    assert sum(pauses) == 780
