"""Requests handed to containers: measured, captured, and copied to shadow variants."""

import http.client
import time
from dataclasses import dataclass

from localcloud.sagemaker.data_capture import DataCapture, Exchange
from localcloud.sagemaker.endpoint_metrics import EndpointMetrics
from localcloud.sagemaker.fleet import Fleet, Variant
from localcloud.sagemaker.serving_container import Answer, DrainingError, ServingContainer
from localcloud.sagemaker.shadow import ShadowTraffic


@dataclass(frozen=True)
class Invocation:
    """A request that was answered, and by what. answer.status is 0 where the container did not answer."""

    serving: ServingContainer
    answer: Answer


class Invocations:
    """Those of one endpoint."""

    def __init__(self, metrics: EndpointMetrics, capture: DataCapture) -> None:
        self._metrics = metrics
        self._capture = capture
        self._shadows = ShadowTraffic()

    def ask(
        self,
        fleet: Fleet,
        variant: Variant,
        serving: ServingContainer,
        body: bytes,
        headers: dict[str, str],
        began: float,
    ) -> Invocation:
        """Asks the container, and then the shadows of its fleet. DrainingError: it takes no request.

        began: time.perf_counter() when the request came.
        """
        answer = self._answer(fleet, variant, serving, body, headers, began)
        self._shadows.copy(fleet, variant, lambda shadow: self._ask_shadow(fleet, shadow, body, headers))
        return Invocation(serving, answer)

    def _answer(
        self,
        fleet: Fleet,
        variant: Variant,
        serving: ServingContainer,
        body: bytes,
        headers: dict[str, str],
        began: float,
    ) -> Answer:
        asked = time.perf_counter()
        try:
            answer = serving.invoke(body, headers)
        except (OSError, http.client.HTTPException) as error:
            answer = _no_answer(error)
        seconds = time.perf_counter() - asked
        self._metrics.answered(variant.name, answer.status, seconds, asked - began, len(variant.containers))
        if 200 <= answer.status < 300:
            exchange = Exchange(body, headers, answer.body, answer.headers)
            self._capture.add(fleet.config.get("DataCaptureConfig"), variant.name, exchange)
        return answer

    def _ask_shadow(self, fleet: Fleet, shadow: Variant, body: bytes, headers: dict[str, str]) -> None:
        for serving in shadow.containers[:1]:  # by now there may be none
            try:
                self._answer(fleet, shadow, serving, body, headers, time.perf_counter())
            except DrainingError:
                return


def _no_answer(error: Exception) -> Answer:
    message = "Your invocation timed out while waiting for a response from container primary. Review the latency "
    message += "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
    if not isinstance(error, TimeoutError):
        message = f"The container closed the connection: {type(error).__name__}: {error}"
    return Answer(0, {}, message.encode())
