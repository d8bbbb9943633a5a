"""What becomes of an endpoint's requests: shadows, capture, metrics, instance pools, containers that are stopped."""

import base64
import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from localcloud.images.container import Container
from localcloud.log_stream import LogStream
from localcloud.sagemaker import launching
from localcloud.sagemaker.registry import ModelData
from localcloud.sagemaker.s3 import NoSuchDataError
from localcloud.sagemaker.serving_container import DrainingError, ServingContainer
from tests.local.compute_projects import until
from tests.local.quick_endpoints import VARIANT, QuickEndpoints, quick_endpoints


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickEndpoints]:
    with quick_endpoints(tmp_path_factory.mktemp("localcloud")) as made:
        yield made


def statistics(endpoints: QuickEndpoints, metric: str, name: str, variant: str, namespace: str) -> dict[str, float]:
    """Of the last minutes; empty where there is none."""
    now = datetime.now(UTC)
    points = endpoints.cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": variant}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=3600,
        Statistics=["Sum", "Maximum", "SampleCount"],
    )["Datapoints"]
    return dict(points[0]) if points else {}


def total(endpoints: QuickEndpoints, metric: str, name: str, variant: str = VARIANT) -> float:
    return statistics(endpoints, metric, name, variant, "AWS/SageMaker").get("Sum", 0.0)


def test_a_shadow_is_asked_too_and_neither_slows_nor_fails_the_caller(endpoints: QuickEndpoints) -> None:
    # Given an endpoint with a shadow that fails, and takes two seconds for it
    shadow = endpoints.variant("500", VariantName="Shadow", InitialVariantWeight=1.0, delay=2)
    config = endpoints.config(endpoints.variant("production"), ShadowProductionVariants=[shadow])
    name = endpoints.create(config)
    endpoints.ask(name)  # an embedded AWS takes its time for the first request of all

    # When it is asked
    began = time.monotonic()
    answers = [endpoints.ask(name) for _ in range(4)]
    seconds = time.monotonic() - began

    # Then callers see nothing of it
    assert answers == ["production"] * 4
    assert seconds < 2
    assert [each["VariantName"] for each in endpoints.described(name)["ShadowProductionVariants"]] == ["Shadow"]

    # And its errors are in its own metrics only
    until(lambda: total(endpoints, "Invocation5XXErrors", name, "Shadow"), lambda errors: errors == 5, seconds=15)
    assert total(endpoints, "Invocation5XXErrors", name) == 0


def test_a_shadow_gets_the_share_that_its_weight_is(endpoints: QuickEndpoints) -> None:
    # Given a shadow of no weight
    shadow = endpoints.variant("shadow", VariantName="Shadow", InitialVariantWeight=0.0)
    name = endpoints.create(endpoints.config(endpoints.variant("production"), ShadowProductionVariants=[shadow]))

    # When the endpoint is asked
    for _ in range(5):
        endpoints.ask(name)
    until(lambda: total(endpoints, "Invocations", name), lambda number: number == 5, seconds=15)

    # Then the shadow is not
    assert total(endpoints, "Invocations", name, "Shadow") == 0


def test_requests_and_answers_are_captured(endpoints: QuickEndpoints) -> None:
    # Given an endpoint that captures everything, JSON as it is
    endpoints.s3.create_bucket(Bucket="captured")
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://captured/data",
        "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/tests",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    name = endpoints.create(endpoints.config(endpoints.variant("word"), DataCaptureConfig=capture))

    # When it is asked in JSON and in something else
    endpoints.ask(name, '{"inputs": "one"}', InferenceId="first", CustomAttributes="a=1")
    endpoints.ask(name, "two", ContentType="text/plain")

    # Then both pairs are in S3, under the endpoint, its variant and the hour
    def lines() -> list[dict[str, Any]]:
        keys = [each["Key"] for each in endpoints.s3.list_objects_v2(Bucket="captured").get("Contents", [])]
        prefix = f"data/{name}/{VARIANT}/{datetime.now(UTC):%Y/%m/%d}/"
        assert all(key.startswith(prefix) and key.endswith(".jsonl") for key in keys), keys
        bodies = [endpoints.s3.get_object(Bucket="captured", Key=key)["Body"].read().decode() for key in keys]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    first, second = until(lines, lambda found: len(found) == 2, seconds=15)
    assert first["captureData"]["endpointInput"] == {
        "observedContentType": "application/json",
        "mode": "INPUT",
        "data": '{"inputs": "one"}',
        "encoding": "JSON",
    }
    assert first["captureData"]["endpointOutput"]["data"] == '"word"'
    assert first["eventMetadata"]["inferenceId"] == "first"
    assert first["eventMetadata"]["customAttributes"] == ["a=1"]
    assert second["captureData"]["endpointInput"]["encoding"] == "BASE64"
    assert base64.b64decode(second["captureData"]["endpointInput"]["data"]) == b"two"

    # And they are encrypted with the key that was named
    key = endpoints.s3.list_objects_v2(Bucket="captured")["Contents"][0]["Key"]
    assert endpoints.s3.head_object(Bucket="captured", Key=key)["SSEKMSKeyId"] == capture["KmsKeyId"]
    assert endpoints.described(name)["DataCaptureConfig"]["CaptureStatus"] == "Started"


def test_an_update_keeps_the_capture_unless_it_is_excluded(endpoints: QuickEndpoints) -> None:
    # Given an endpoint that captures
    capture = {
        "InitialSamplingPercentage": 0,
        "DestinationS3Uri": "s3://captured/none",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    }
    name = endpoints.create(endpoints.config(endpoints.variant("old"), DataCaptureConfig=capture))

    # When it is updated by a configuration without capture
    endpoints.update(name, endpoints.config(endpoints.variant("new")), RetainAllVariantProperties=True)
    kept = endpoints.settled(name)
    endpoints.update(
        name,
        endpoints.config(endpoints.variant("newer")),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DataCaptureConfig"}],
    )
    excluded = endpoints.settled(name)

    # Then it still captures, until that is excluded
    assert kept["DataCaptureConfig"]["DestinationS3Uri"] == "s3://captured/none"
    assert "DataCaptureConfig" not in excluded


def test_concurrency_and_the_use_of_the_machine_are_metrics(endpoints: QuickEndpoints) -> None:
    # Given an endpoint with two containers that take their time
    name = endpoints.create(endpoints.config(endpoints.variant("word", InitialInstanceCount=2, delay=0.5)))

    # When it is asked by three at a time
    threads = [threading.Thread(target=endpoints.ask, args=(name,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Then CloudWatch knows how many each of them had at a time
    def concurrency() -> dict[str, float]:
        return statistics(endpoints, "ConcurrentRequestsPerModel", name, VARIANT, "AWS/SageMaker")

    assert until(concurrency, lambda found: found.get("Sum", 0) >= 3, seconds=10)["Maximum"] >= 2
    assert until(lambda: total(endpoints, "InvocationsPerInstance", name), bool, seconds=10) == 1.5

    # And how much of the machine they use
    for metric in ("CPUUtilization", "MemoryUtilization", "DiskUtilization"):

        def used(metric: str = metric) -> dict[str, float]:
            return statistics(endpoints, metric, name, VARIANT, "/aws/sagemaker/Endpoints")

        until(used, lambda found: "Maximum" in found, seconds=20)
    assert 0 < used("MemoryUtilization")["Maximum"] < 100


def short_of(endpoints: QuickEndpoints, types: str, times: int = 1) -> None:
    body = json.dumps({"no_capacity": types, "times": times}).encode()
    request = urllib.request.Request(f"{endpoints.running.endpoint_url}/_localcloud/faults", body, method="POST")
    urllib.request.urlopen(request).close()


def pools(*types: str) -> dict[str, Any]:
    listed = [{"InstanceType": name, "Priority": number} for number, name in enumerate(types, 1)]
    return {"InstanceType": None, "InstancePools": listed}


def test_an_instance_comes_from_the_first_pool_that_has_capacity(endpoints: QuickEndpoints) -> None:
    # Given that no ml.g4dn is to be had
    short_of(endpoints, "ml.g4dn.*")

    # When an endpoint is made whose variant would rather have one
    name = endpoints.create(endpoints.config(endpoints.variant("word", **pools("ml.g4dn.xlarge", "ml.g5.xlarge"))))

    # Then it has the next type
    (variant,) = endpoints.described(name)["ProductionVariants"]
    counts = {pool["InstanceType"]: pool["CurrentInstanceCount"] for pool in variant["InstancePools"]}
    assert counts == {"ml.g4dn.xlarge": 0, "ml.g5.xlarge": 1}
    assert variant["DeployedImages"][0]["SpecifiedImage"] == endpoints.image


def test_without_any_capacity_an_update_is_undone_with_awss_words(endpoints: QuickEndpoints) -> None:
    # Given an endpoint, and that nothing is to be had
    old = endpoints.config(endpoints.variant("old"))
    name = endpoints.create(old)
    short_of(endpoints, "ml.*", times=2)

    # When it is updated
    endpoints.update(name, endpoints.config(endpoints.variant("new", **pools("ml.g5.xlarge", "ml.g6.xlarge"))))
    described = endpoints.settled(name)

    # Then it serves what it had, and says what was missing
    assert described["EndpointConfigName"] == old
    assert "due to InsufficientInstanceCapacity error" in described["FailureReason"]
    assert endpoints.ask(name) == "old"


class Slow(http.server.BaseHTTPRequestHandler):
    """Answers after half a second; GET closes nothing."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        Slow.asked += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/close":  # without an answer
            self.close_connection = True
            return
        time.sleep(0.5)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def container() -> Iterator[ServingContainer]:
    """One whose server is in this process."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Slow.asked = 0
    serving = ServingContainer(cast("Container", None), VARIANT, cast("LogStream", None))
    serving.port = server.server_address[1]
    yield serving
    server.shutdown()
    server.server_close()


def test_a_container_that_is_stopped_answers_what_it_has_and_takes_nothing_new(container: ServingContainer) -> None:
    # Given a container with a request under way
    answers: list[bytes] = []
    asking = threading.Thread(target=lambda: answers.append(container.invoke(b"1", {}).body))
    asking.start()
    until(lambda: container.requests, lambda number: number == 1, seconds=5)

    # When it drains
    container.drain()

    # Then that one was answered, and another one is not taken
    asking.join()
    assert answers == [b"ok"]
    with pytest.raises(DrainingError):
        container.invoke(b"2", {})


def test_a_request_that_the_container_has_read_is_never_sent_again(container: ServingContainer) -> None:
    # Given a connection that stays open after an answer
    container.invoke(b"1", {})

    # When the container closes it instead of answering the next request
    with pytest.raises(ConnectionError):
        container.invoke(b"2", {}, "/close")

    # Then that one was sent once
    assert Slow.asked == 2


def test_a_connection_that_the_container_has_closed_meanwhile_is_not_used(container: ServingContainer) -> None:
    # Given an idle connection whose other end is closed
    container.invoke(b"1", {})
    connection, _ = container._idle.queue[0]
    connection.sock.shutdown(2)

    # Then the next request goes over a new one
    assert container.invoke(b"2", {}).body == b"ok"


def test_a_model_that_takes_too_long_to_come_fails_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a download that does not end
    over = threading.Event()

    class Folders:
        folder = tmp_path
        opt_ml = tmp_path / "ml"

    class Machines:
        def client(self, service: str, region: str) -> None:
            return None

    monkeypatch.setattr(launching, "download_model", lambda *_, **__: over.wait(20))

    # Then it is given up after the time that it may take
    data = ModelData("s3://bucket/model.tar.gz")
    with pytest.raises(NoSuchDataError, match=r"bucket/model.tar.gz.*ModelDataDownloadTimeoutInSeconds"):
        launching._bring(cast("Any", Machines()), data, cast("Any", Folders()), "us-east-1", 0.1)
    over.set()
