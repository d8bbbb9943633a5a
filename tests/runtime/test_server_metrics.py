"""What the serving container counts: embedded metrics in its log, and Prometheus text on a port of its own machine."""

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.runtime.front_server import FrontServer, wait_for

ANSWER = {"queue_ms": 2.0, "batch": 4, "model_ms": 8.0, "tokens": 10, "gpu_bytes": None}
UNITS = {
    "QueueTime": "Milliseconds",
    "BatchSize": "Count",
    "ModelLatency": "Milliseconds",
    "Tokens": "Count",
    "Overloaded": "Count",
    "WorkerRestarts": "Count",
}


@pytest.fixture(scope="module")
def server_metrics(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("inference/server_metrics.py")


def _embedded(metrics: Any) -> dict[str, Any]:
    line = metrics.embedded_line()
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_the_embedded_line_has_what_cloudwatch_wants(server_metrics: ModuleType) -> None:
    metrics = server_metrics.ServerMetrics({"HFSM_ENDPOINT_NAME": "reviews"})
    metrics.model_answer(ANSWER, 0)
    metrics.model_answer({**ANSWER, "queue_ms": 4.0}, 0)
    metrics.overloaded()

    document = _embedded(metrics)

    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "HfSageMaker/Serving"
    assert directive["Dimensions"] == [["EndpointName"]]
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == UNITS
    assert document["_aws"]["Timestamp"] > 1_700_000_000_000
    values = {name: document[name] for name in (*UNITS, "EndpointName")}
    assert values == {
        "EndpointName": "reviews",
        "QueueTime": [2.0, 4.0],
        "BatchSize": [4, 4],
        "ModelLatency": [8.0, 8.0],
        "Tokens": 20,
        "Overloaded": 1,
        "WorkerRestarts": 0,
    }


def test_without_a_name_the_endpoint_is_no_dimension(server_metrics: ModuleType) -> None:
    metrics = server_metrics.ServerMetrics({})
    metrics.worker_restarted()

    document = _embedded(metrics)

    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    assert (document["WorkerRestarts"], "EndpointName" in document) == (1, False)


def test_an_interval_in_which_nothing_happens_has_no_line(server_metrics: ModuleType) -> None:
    metrics = server_metrics.ServerMetrics({})
    metrics.model_answer(ANSWER, 0)

    assert metrics.embedded_line() is not None
    assert metrics.embedded_line() is None


def test_each_gpu_is_a_value(server_metrics: ModuleType) -> None:
    metrics = server_metrics.ServerMetrics({})
    for worker, used in ((1, 500), (0, 300), (1, 700)):
        metrics.model_answer({**ANSWER, "gpu_bytes": used}, worker)

    assert _embedded(metrics)["GPUMemory"] == [300, 700]
    assert 'hfsm_gpu_memory_bytes{worker="1"} 700' in metrics.prometheus_text({})


def test_of_many_values_a_hundred_keep_the_distribution(server_metrics: ModuleType) -> None:
    # CloudWatch takes up to a hundred values of a metric in one line
    metrics = server_metrics.ServerMetrics({})
    for value in range(10_000):
        metrics.model_answer({**ANSWER, "model_ms": float((value * 7919) % 10_000)}, 0)

    latencies = _embedded(metrics)["ModelLatency"]

    assert len(latencies) == 100
    assert (latencies[0], latencies[-1]) == (0.0, 9999.0)
    assert latencies[49] == pytest.approx(5000, rel=0.02)
    assert sum(latencies) / 100 == pytest.approx(5000, rel=0.01)


def test_answers_that_say_nothing_count_nothing(server_metrics: ModuleType) -> None:
    metrics = server_metrics.ServerMetrics({})
    metrics.model_answer({"queue_ms": None, "batch": None, "model_ms": None, "tokens": None, "gpu_bytes": None}, 0)

    assert metrics.embedded_line() is None


def test_prometheus_text_is_counted_and_summed_up(server_metrics: ModuleType) -> None:
    metrics = server_metrics.ServerMetrics({})
    for status, total_ms in ((200, 3.0), (200, 40.0), (503, 90_000.0)):
        metrics.request(status, total_ms)
    metrics.model_answer(ANSWER, 0)

    samples = _samples(metrics.prometheus_text({"hfsm_workers": ("Workers", 2)}))

    assert samples['hfsm_requests_total{status="200"}'] == 2
    assert samples['hfsm_request_seconds_bucket{le="0.0025"}'] == 0
    assert samples['hfsm_request_seconds_bucket{le="0.005"}'] == 1
    assert samples['hfsm_request_seconds_bucket{le="0.05"}'] == 2
    assert samples['hfsm_request_seconds_bucket{le="60.0"}'] == 2
    assert samples['hfsm_request_seconds_bucket{le="+Inf"}'] == samples["hfsm_request_seconds_count"] == 3
    assert samples["hfsm_request_seconds_sum"] == pytest.approx(90.043)
    assert samples['hfsm_batch_size_bucket{le="4.0"}'] == 1
    assert (samples["hfsm_tokens_total"], samples["hfsm_workers"]) == (10, 2)


def test_prometheus_is_answered_on_this_machine_only(inference_python: Path, runtime: Path, tmp_path: Path) -> None:
    with FrontServer(inference_python, runtime, tmp_path, HFSM_BIND_TO_HOST="0.0.0.0") as server:
        server.wait_until_ready()
        server.invoke({"gpu": True})
        answer = server.ask("GET", "/metrics", port=server.metrics_port)
        elsewhere = server.ask("GET", "/secrets", port=server.metrics_port)
        own_address = _address_of_this_machine()

        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert _samples(answer.body.decode())["hfsm_workers_ready"] == 1
        assert elsewhere.status == 404
        if own_address:
            with pytest.raises(OSError):
                socket.create_connection((own_address, server.metrics_port), timeout=2)


def test_the_last_interval_is_in_the_log_when_the_server_stops(
    inference_python: Path, runtime: Path, tmp_path: Path
) -> None:
    with FrontServer(inference_python, runtime, tmp_path) as server:
        server.wait_until_ready()
        server.invoke({})
        server.process.terminate()
        assert server.end() == 0

        lines = wait_for(lambda: [record for record in server.records if "_aws" in record], "a line", server)

    assert lines[-1]["ModelLatency"] == [2.25]


def _samples(text: str) -> dict[str, float]:
    """By name and labels; each line has to be one that Prometheus can read."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP \w+ .+|TYPE \w+ (counter|gauge|histogram))", line)
            continue
        sample = re.fullmatch(r'([a-z_]+(?:\{[a-z]+="[^"]*"\})?) (\d+(?:\.\d+)?)', line)
        assert sample, line
        found[sample[1]] = float(sample[2])
    return found


def _address_of_this_machine() -> str | None:
    """An address that is not the loopback's, if there is one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address
