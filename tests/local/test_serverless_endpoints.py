"""Serverless endpoints: nothing runs until somebody asks."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.compute_projects import until
from tests.local.served_modes import Modes

CONFIG = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}


@pytest.fixture(scope="module")
def endpoint(modes: Modes) -> str:
    """One request at a time; its name."""
    return modes.endpoint({"ModelName": modes.model("hello"), "ServerlessConfig": CONFIG})


def test_nothing_runs_until_somebody_asks(modes: Modes, endpoint: str) -> None:
    # Given an endpoint that was tried and is in service
    assert modes.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    assert modes.containers(f"endpoint {endpoint},") == 0

    # When somebody asks, and asks again
    began = time.monotonic()
    assert modes.ask(endpoint, "world") == "hello world"
    cold = time.monotonic() - began
    began = time.monotonic()
    assert modes.ask(endpoint, "again") == "hello again"

    # Then the first one waited for the container, which was measured; the second did not
    assert time.monotonic() - began < cold
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    until(lambda: modes.total("ModelSetupTime", dimensions), lambda total: total > 1e5, seconds=10)


def test_more_requests_at_once_than_there_may_be_are_throttled(modes: Modes, endpoint: str) -> None:
    # Given an endpoint for one request at a time; when three come at once that take a second each
    def ask(_: int) -> str | dict[str, Any]:
        try:
            return modes.ask(endpoint, "wait for me")
        except ClientError as error:
            return {**error.response}

    with ThreadPoolExecutor(3) as callers:
        answers = list(callers.map(ask, range(3)))

    # Then one is answered, and others are throttled as AWS throttles
    assert "hello wait for me" in answers
    refused = [answer for answer in answers if isinstance(answer, dict)]
    assert {answer["Error"]["Code"] for answer in refused} == {"ThrottlingException"}
    assert {answer["ResponseMetadata"]["HTTPStatusCode"] for answer in refused} == {400}


def test_it_goes_back_to_nothing_when_nobody_asks(modes: Modes, endpoint: str) -> None:
    # Given a container
    modes.ask(endpoint, "world")
    assert modes.containers(f"endpoint {endpoint},") == 1

    # Then it ends some minutes later, which are short here
    until(lambda: modes.containers(f"endpoint {endpoint},"), lambda number: number == 0, seconds=30)
    assert modes.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"


def test_provisioned_containers_are_there_before_somebody_asks(modes: Modes, endpoint: str) -> None:
    # When one is to be kept
    modes.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 2, "ProvisionedConcurrency": 1}}
        ],
    )
    described = modes.settled(endpoint)["ProductionVariants"][0]

    # Then it is there, serves, and how much of it is used is measured
    assert described["CurrentServerlessConfig"] == {**CONFIG, "MaxConcurrency": 2, "ProvisionedConcurrency": 1}
    assert modes.containers(f"endpoint {endpoint},") == 1
    assert modes.ask(endpoint, "warm") == "hello warm"
    dimensions = {"EndpointName": endpoint, "VariantName": "AllTraffic"}
    used = lambda: modes.total("ServerlessProvisionedConcurrencyUtilization", dimensions)  # noqa: E731
    until(used, lambda number: number > 0, seconds=10)


def test_a_model_that_cannot_be_loaded_fails_the_endpoint(modes: Modes) -> None:
    # Given a model without what its container needs
    name = modes.endpoint({"ModelName": modes.model(None), "ServerlessConfig": CONFIG})

    # Then the endpoint has failed before anybody has asked
    described = modes.sagemaker.describe_endpoint(EndpointName=name)
    assert described["EndpointStatus"] == "Failed"
    assert "the model could not be loaded: word.txt is missing" in described["FailureReason"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"MemorySizeInMB": 1500, "MaxConcurrency": 1}, "MemorySizeInMB must be one of 1024, 2048"),
        ({"MemorySizeInMB": 2048, "MaxConcurrency": 1, "ProvisionedConcurrency": 2}, "must be 1 to MaxConcurrency"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(modes: Modes, config: dict[str, int], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        modes.endpoint({"ModelName": modes.model("hello"), "ServerlessConfig": config})


def test_an_update_replaces_the_model(modes: Modes, endpoint: str) -> None:
    # Given a container that is there; when the endpoint gets another model
    modes.ask(endpoint, "before")
    config = modes.config({"ModelName": modes.model("hi"), "ServerlessConfig": CONFIG})
    modes.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    described = modes.settled(endpoint)

    # Then that one answers, and nothing of the old one is left
    assert described["EndpointConfigName"] == config, described
    assert modes.ask(endpoint, "world") == "hi world"
    until(lambda: modes.containers(f"endpoint {endpoint},"), lambda number: number == 1, seconds=10)


def test_an_update_that_cannot_serve_leaves_the_old_model_in_service(modes: Modes, endpoint: str) -> None:
    before = modes.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]

    broken = modes.config({"ModelName": modes.model(None), "ServerlessConfig": CONFIG})
    modes.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=broken)
    described = modes.settled(endpoint)

    assert described["EndpointConfigName"] == before
    assert "word.txt is missing" in described["FailureReason"]
    assert modes.ask(endpoint, "again") == "hi again"


def test_the_way_in_which_an_endpoint_serves_stays(modes: Modes, endpoint: str) -> None:
    config = modes.config({"ModelName": modes.model("hi"), "InstanceType": "ml.m5.large", "InitialInstanceCount": 1})

    with pytest.raises(ClientError, match="serves cannot be changed"):
        modes.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)


def test_deleting_leaves_no_container(modes: Modes, endpoint: str) -> None:
    modes.ask(endpoint, "world")

    modes.sagemaker.delete_endpoint(EndpointName=endpoint)

    until(lambda: modes.containers(f"endpoint {endpoint},"), lambda number: number == 0, seconds=30)
