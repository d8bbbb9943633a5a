"""Asynchronous endpoints: requests wait for instances, answers lie in S3, and topics tell of them."""

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.compute_projects import until
from tests.local.served_modes import Modes


class Topics:
    """A topic for successes and one for failures, and a queue that hears both."""

    def __init__(self, modes: Modes) -> None:
        sns, self._sqs = modes.running.client("sns"), modes.running.client("sqs")
        name = f"heard-{uuid.uuid4().hex[:8]}"
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.success, self.error = (sns.create_topic(Name=f"{name}-{kind}")["TopicArn"] for kind in ("good", "bad"))
        for topic in (self.success, self.error):
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:123456789012:{name}")

    def heard(self) -> tuple[str, dict[str, Any]]:
        """The next notification: its topic, and what it says."""

        def look() -> list[dict[str, Any]]:
            messages: list[dict[str, Any]] = self._sqs.receive_message(QueueUrl=self._queue).get("Messages", [])
            return messages

        (message,) = until(look, bool, seconds=20)
        self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        body = json.loads(message["Body"])
        return body["TopicArn"], json.loads(body["Message"])


@pytest.fixture(scope="module")
def topics(modes: Modes) -> Topics:
    return Topics(modes)


@pytest.fixture(scope="module")
def endpoint(modes: Modes, topics: Topics) -> str:
    """One instance, which takes one request at a time; its name."""
    variant = {"ModelName": modes.model("hello"), "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
    output = {
        "S3OutputPath": f"s3://{modes.bucket}/answers",
        "S3FailurePath": f"s3://{modes.bucket}/failures",
        "NotificationConfig": {
            "SuccessTopic": topics.success,
            "ErrorTopic": topics.error,
            "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
        },
    }
    client = {"MaxConcurrentInvocationsPerInstance": 1}
    return modes.endpoint(variant, AsyncInferenceConfig={"OutputConfig": output, "ClientConfig": client})


def send(modes: Modes, endpoint: str, text: str, content_type: str = "text/plain", **arguments: Any) -> dict[str, Any]:
    """Puts the text where it is asked for, and asks."""
    key = f"requests/{uuid.uuid4()}"
    modes.s3.put_object(Bucket=modes.bucket, Key=key, Body=text.encode())
    answer: dict[str, Any] = modes.runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=f"s3://{modes.bucket}/{key}", ContentType=content_type, **arguments
    )
    return answer


def read(modes: Modes, uri: str) -> str | None:
    """The object, as soon as it is there."""
    try:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        content: str = modes.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except ClientError:
        return None
    return content


def scale(modes: Modes, endpoint: str, count: int) -> dict[str, Any]:
    modes.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
    )
    return modes.settled(endpoint)


def test_an_answer_lies_in_s3_and_its_topic_tells_of_it(modes: Modes, topics: Topics, endpoint: str) -> None:
    # When something is asked
    accepted = send(modes, endpoint, "world", InferenceId="first")

    # Then it is accepted at once, and the answer comes where it was promised
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["InferenceId"] == "first"
    assert until(lambda: read(modes, accepted["OutputLocation"]), bool, seconds=20) == "hello world"

    # And the topic has SageMaker's document of it
    topic, told = topics.heard()
    assert topic == topics.success
    assert told["invocationStatus"] == "Completed"
    assert told["inferenceId"] == "first"
    assert told["eventSource"] == "aws:sagemaker"
    assert told["requestParameters"]["endpointName"] == endpoint
    assert told["responseParameters"]["outputLocation"] == accepted["OutputLocation"]
    assert told["responseBody"]["encoding"] == "BASE64"


def test_a_payload_can_come_with_the_request(modes: Modes, topics: Topics, endpoint: str) -> None:
    accepted = modes.runtime.invoke_endpoint_async(EndpointName=endpoint, Body=b"inline", ContentType="text/plain")

    assert until(lambda: read(modes, accepted["OutputLocation"]), bool, seconds=20) == "hello inline"
    topics.heard()


def test_a_failure_lies_in_s3_and_its_topic_tells_of_it(modes: Modes, topics: Topics, endpoint: str) -> None:
    # When the model's own code fails
    accepted = send(modes, endpoint, "fail now")

    # Then what it said lies where failures lie, and the other topic has the reason
    said = until(lambda: read(modes, accepted["FailureLocation"]), bool, seconds=20)
    assert said and "the model does not want to" in said
    topic, told = topics.heard()
    assert topic == topics.error
    assert told["invocationStatus"] == "Failed"
    assert "from model" in told["failureReason"]
    assert read(modes, accepted["OutputLocation"]) is None


def test_a_payload_that_is_not_there_is_a_failure(modes: Modes, topics: Topics, endpoint: str) -> None:
    modes.runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation=f"s3://{modes.bucket}/nowhere")

    topic, told = topics.heard()
    assert topic == topics.error
    assert "Could not download the payload" in told["failureReason"]


def test_without_an_instance_requests_wait(modes: Modes, topics: Topics, endpoint: str) -> None:
    # Given no instance any more
    described = scale(modes, endpoint, 0)
    assert described["EndpointStatus"] == "InService"
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    assert modes.containers(f"endpoint {endpoint},") == 0

    # When something is asked
    accepted = send(modes, endpoint, "patience")

    # Then a metric says that there is work and nobody to do it
    missing = lambda: modes.total("HasBacklogWithoutCapacity", {"EndpointName": endpoint})  # noqa: E731
    until(missing, lambda number: number >= 1, seconds=10)
    assert modes.total("ApproximateBacklogSize", {"EndpointName": endpoint}, "Maximum") >= 1
    assert read(modes, accepted["OutputLocation"]) is None

    # And it is answered when there is an instance again
    scale(modes, endpoint, 1)
    assert until(lambda: read(modes, accepted["OutputLocation"]), bool, seconds=30) == "hello patience"
    topics.heard()


def test_an_instance_gets_as_many_at_a_time_as_it_may(modes: Modes, topics: Topics, endpoint: str) -> None:
    # Given two requests that take a second each, and an instance that takes one at a time
    began = time.monotonic()
    accepted = [send(modes, endpoint, f"wait {number}") for number in range(2)]
    until(lambda: [read(modes, each["OutputLocation"]) for each in accepted], all, seconds=20)

    # Then they were answered one after the other, and the time in between was measured
    assert time.monotonic() - began >= 2
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    until(lambda: modes.total("TimeInBacklog", dimensions, "Maximum"), lambda most: most > 5e5, seconds=10)
    until(lambda: modes.total("InvocationsProcessed", dimensions), lambda number: number >= 2, seconds=10)
    for _ in accepted:
        topics.heard()


def test_a_request_that_waits_for_too_long_expires(modes: Modes, topics: Topics, endpoint: str) -> None:
    # Given no instance
    scale(modes, endpoint, 0)

    # When a request waits for longer than it may: a minute, which is short here
    send(modes, endpoint, "too late", RequestTTLSeconds=60)

    # Then it is told of and counted
    topic, told = topics.heard()
    assert topic == topics.error
    assert "RequestTTLSeconds" in told["failureReason"]
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    until(lambda: modes.total("ExpiredRequests", dimensions), lambda number: number == 1, seconds=10)
    scale(modes, endpoint, 1)


def test_each_way_to_ask_is_refused_by_the_other_kind_of_endpoint(modes: Modes, endpoint: str) -> None:
    with pytest.raises(ClientError, match="is asynchronous: call InvokeEndpointAsync"):
        modes.ask(endpoint, "world")
    with pytest.raises(ClientError, match="Exactly one of InputLocation and Body"):
        modes.runtime.invoke_endpoint_async(EndpointName=endpoint)


def test_an_update_at_zero_keeps_the_count_and_what_waits(modes: Modes, topics: Topics, endpoint: str) -> None:
    # Given no instance, and a request that waits
    scale(modes, endpoint, 0)
    accepted = send(modes, endpoint, "later")
    described = modes.sagemaker.describe_endpoint(EndpointName=endpoint)
    asynchronous = modes.sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])

    # When the endpoint gets another model, and keeps what scaling has decided
    variant = {"ModelName": modes.model("hi"), "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
    config = modes.config(variant, AsyncInferenceConfig=asynchronous["AsyncInferenceConfig"])
    modes.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, RetainAllVariantProperties=True)
    updated = modes.settled(endpoint)

    # Then there is still none, and the new model answers when there is one
    assert updated["EndpointConfigName"] == config
    assert updated["ProductionVariants"][0]["CurrentInstanceCount"] == 0
    scale(modes, endpoint, 1)
    assert until(lambda: read(modes, accepted["OutputLocation"]), bool, seconds=30) == "hi later"


def test_a_real_time_endpoint_does_nothing_of_what_other_modes_do(modes: Modes) -> None:
    # Given a real-time endpoint
    variant = {"ModelName": modes.model("hello"), "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
    name = modes.endpoint(variant)

    with pytest.raises(ClientError, match="is not asynchronous: call InvokeEndpoint"):
        modes.runtime.invoke_endpoint_async(EndpointName=name, InputLocation="s3://any/where")
    with pytest.raises(ClientError, match="Inference Component Name header is not allowed"):
        modes.ask(name, "world", InferenceComponentName="any")
    with pytest.raises(ClientError, match="DesiredInstanceCount of variant AllTraffic must be at least 1"):
        scale(modes, name, 0)
    modes.sagemaker.delete_endpoint(EndpointName=name)
