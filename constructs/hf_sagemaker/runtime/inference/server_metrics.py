"""What the server counts: as CloudWatch's embedded metrics in its log, and as Prometheus text.

Embedded metrics are one line of the log for each interval in which something happened, in the namespace
HfSageMaker/Serving. Their dimension is EndpointName where the variable HFSM_ENDPOINT_NAME names it, and none otherwise:
a container is not told which endpoint it belongs to.
"""

import json
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

NAMESPACE = "HfSageMaker/Serving"
INTERVAL_SECONDS = 10

_MOST_VALUES = 100  # that a metric may have in one line
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_UNITS = {
    "QueueTime": "Milliseconds",
    "BatchSize": "Count",
    "ModelLatency": "Milliseconds",
    "Tokens": "Count",
    "GPUMemory": "Bytes",
    "Overloaded": "Count",
    "WorkerRestarts": "Count",
}


class _Histogram:
    def __init__(self, bounds: Sequence[float], scale: float = 1.0) -> None:
        """scale: what values are multiplied by before they are compared with bounds."""
        self._bounds = bounds
        self._scale = scale
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        value *= self._scale
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def text(self, name: str, what: str) -> str:
        lines = [f"# HELP {name} {what}", f"# TYPE {name} histogram"]
        total = 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return "\n".join((*lines, f"{name}_sum {self._sum:.6f}", f"{name}_count {total}"))


class ServerMetrics:
    def __init__(self, variables: Mapping[str, str]) -> None:
        """variables: the environment; HFSM_ENDPOINT_NAME is looked for."""
        name = variables.get("HFSM_ENDPOINT_NAME")
        self._dimensions = {"EndpointName": name} if name else {}
        # Since the start
        self._statuses: dict[int, int] = {}
        self._total = _Histogram(_SECONDS, 0.001)
        self._queue = _Histogram(_SECONDS, 0.001)
        self._model = _Histogram(_SECONDS, 0.001)
        self._batch = _Histogram(_SIZES)
        self._tokens = 0
        self._overloaded = 0
        self._restarts = 0
        self._gpu_bytes: dict[int, int] = {}
        # Since the last line
        self._values: dict[str, list[float]] = {name: [] for name in _UNITS}
        self._new_tokens = self._new_overloaded = self._new_restarts = 0

    def request(self, status: int, total_ms: float) -> None:
        """One was answered."""
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._total.add(total_ms)

    def model_answer(self, answer: Mapping[str, Any], worker: int) -> None:
        """answer: queue_ms, batch, model_ms, tokens and gpu_bytes, as far as the worker says."""
        values = self._values
        if (queue_ms := answer.get("queue_ms")) is not None:
            self._queue.add(queue_ms)
            values["QueueTime"].append(queue_ms)
        if batch := answer.get("batch"):
            self._batch.add(batch)
            values["BatchSize"].append(batch)
        if (model_ms := answer.get("model_ms")) is not None:
            self._model.add(model_ms)
            values["ModelLatency"].append(model_ms)
        if tokens := answer.get("tokens"):
            self._tokens += tokens
            self._new_tokens += tokens
        if (gpu_bytes := answer.get("gpu_bytes")) is not None:
            self._gpu_bytes[worker] = gpu_bytes

    def overloaded(self) -> None:
        """One was refused because too many are waiting."""
        self._overloaded += 1
        self._new_overloaded += 1

    def worker_restarted(self) -> None:
        self._restarts += 1
        self._new_restarts += 1

    def embedded_line(self) -> str | None:
        """What happened since the last call, in CloudWatch's embedded metric format; None: nothing did."""
        values: dict[str, Any] = {name: _representatives(found) for name, found in self._values.items() if found}
        if self._new_tokens:
            values["Tokens"] = self._new_tokens
        if not values and not self._new_overloaded and not self._new_restarts:
            return None
        if self._gpu_bytes:
            values["GPUMemory"] = [self._gpu_bytes[worker] for worker in sorted(self._gpu_bytes)][:_MOST_VALUES]
        values["Overloaded"] = self._new_overloaded
        values["WorkerRestarts"] = self._new_restarts
        for found in self._values.values():
            found.clear()
        self._new_tokens = self._new_overloaded = self._new_restarts = 0
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(self._dimensions)],
            "Metrics": [{"Name": name, "Unit": _UNITS[name]} for name in values],
        }
        description = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
        return json.dumps({"_aws": description, **self._dimensions, **values})

    def prometheus_text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """gauges: what is measured at this moment, by its name: what it is, and the value."""
        parts = [
            _family(
                "hfsm_requests_total",
                "counter",
                "Requests answered, by HTTP status",
                [(f'{{status="{status}"}}', count) for status, count in sorted(self._statuses.items())],
            ),
            self._total.text("hfsm_request_seconds", "From a request's headers to its answer"),
            self._queue.text("hfsm_queue_seconds", "Waiting in a worker for a place in a batch"),
            self._model.text("hfsm_model_seconds", "Time in the model of the batch that a request was in"),
            self._batch.text("hfsm_batch_size", "Requests in the batch that a request was in"),
            _family("hfsm_tokens_total", "counter", "Tokens of requests", [("", self._tokens)]),
            _family("hfsm_overloaded_total", "counter", "Requests refused: too many wait", [("", self._overloaded)]),
            _family("hfsm_worker_restarts_total", "counter", "Workers started again", [("", self._restarts)]),
        ]
        if self._gpu_bytes:
            samples = [(f'{{worker="{worker}"}}', used) for worker, used in sorted(self._gpu_bytes.items())]
            parts.append(_family("hfsm_gpu_memory_bytes", "gauge", "GPU memory that a worker uses", samples))
        parts += [_family(name, "gauge", what, [("", value)]) for name, (what, value) in gauges.items()]
        return "\n".join(parts) + "\n"


def _family(name: str, kind: str, what: str, samples: Sequence[tuple[str, float]]) -> str:
    lines = [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
    return "\n".join((*lines, *(f"{name}{labels} {value}" for labels, value in samples)))


def _representatives(values: list[float]) -> list[float]:
    """All values, or as many of them, evenly spaced from the smallest to the largest, as a line may hold."""
    if len(values) <= _MOST_VALUES:
        return [round(value, 3) for value in values]
    ordered = sorted(values)
    step = (len(ordered) - 1) / (_MOST_VALUES - 1)
    return [round(ordered[round(place * step)], 3) for place in range(_MOST_VALUES)]
