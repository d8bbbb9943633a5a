"""Step of the demo that asks the endpoint, and measures how long it takes to answer."""

import json
import math
import time
from pathlib import Path
from typing import Any

from hfsm.demo.demo_run import ENDPOINT, DemoRun
from hfsm.demo.report import EndpointReport, PredictionReport
from hfsm.demo.steps import StepLog
from hfsm.errors import OperatorError
from hfsm.predict import endpoint_name, invoke

SENTENCES = 10
REQUESTS = 50


def predict(run: DemoRun, log: StepLog) -> str:
    """Predict ten sentences of the test data through InvokeEndpoint, then measure fifty more requests."""
    name = endpoint_name(run.parameters, ENDPOINT)
    # Without retries: a request that fails is to be counted, not hidden.
    runtime = run.cloud.client("sagemaker-runtime", attempts=1)
    texts = test_sentences(run.data / "test.jsonl")
    first_answer_ms = 0.0
    for text in texts:
        prediction, milliseconds = _timed(runtime, name, text)
        first_answer_ms = first_answer_ms or milliseconds
        run.predictions.append(prediction)
        log.line(f"{prediction.label} {prediction.score:.3f} in {milliseconds:.1f} ms: {text}")
    measured: list[float] = []
    errors = 0
    for number in range(REQUESTS):
        try:
            measured.append(_timed(runtime, name, texts[number % len(texts)])[1])
        except OperatorError as error:
            errors += 1
            log.line(error.message)
        log.line(f"request {number + 1} of {REQUESTS}")
    if not measured:
        raise OperatorError(f"Endpoint {name} answered none of {REQUESTS} requests.")
    run.endpoint = _report(run, name, first_answer_ms, measured, errors)
    return f"p50 {run.endpoint.p50_ms:.1f} ms, p99 {run.endpoint.p99_ms:.1f} ms, {errors} errors"


def test_sentences(path: Path) -> list[str]:
    """Ten texts from all over a data file: labels are often sorted. Fewer where it has fewer lines."""
    with path.open(encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line)["text"] for line in file if line.strip()]
    count = min(SENTENCES, len(rows))
    return [rows[index * len(rows) // count] for index in range(count)]


def _timed(runtime: Any, endpoint: str, text: str) -> tuple[PredictionReport, float]:
    started = time.perf_counter()
    answer = invoke(runtime, endpoint, [text])[0]
    milliseconds = 1000 * (time.perf_counter() - started)
    return PredictionReport(text=answer.text, label=answer.label, score=answer.score), milliseconds


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _report(run: DemoRun, name: str, first_answer_ms: float, measured: list[float], errors: int) -> EndpointReport:
    sagemaker = run.cloud.client("sagemaker")
    described = sagemaker.describe_endpoint(EndpointName=name)
    config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    # SageMaker modifies an endpoint last when it comes into service.
    ready = described["LastModifiedTime"] - described["CreationTime"]
    return EndpointReport(
        instance_type=config["ProductionVariants"][0]["InstanceType"],
        ready_seconds=round(ready.total_seconds(), 3),
        first_answer_ms=round(first_answer_ms, 2),
        requests=REQUESTS,
        p50_ms=round(percentile(measured, 0.5), 2),
        p99_ms=round(percentile(measured, 0.99), 2),
        errors=errors,
    )
