"""Data capture: sampled requests and answers, as JSON lines below an address in S3.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
"""

import base64
import json
import logging
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.sagemaker.s3 import encryption, split_uri

_FLUSH_SECONDS = 60.0  # of AWS, that what was captured waits for more
_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exchange:
    """A request and its answer. headers, answer_headers: names of the latter in lower case."""

    body: bytes
    headers: Mapping[str, str]
    answer: bytes
    answer_headers: Mapping[str, str]


class DataCapture:
    """What one endpoint captures. Writes in the background; whoever answers never waits for it."""

    def __init__(self, endpoint: str, s3: Any, seconds: Callable[[float], float]) -> None:
        """endpoint: its name. seconds: how long this embedded AWS waits where AWS waits that long."""
        self._endpoint = endpoint
        self._s3 = s3
        self._seconds = seconds
        self._open: dict[tuple[str, str, str | None], list[str]] = {}
        self._lock = threading.Lock()

    def add(self, config: Mapping[str, Any] | None, variant: str, exchange: Exchange) -> None:
        """config: DataCaptureConfig of the configuration that serves; None: nothing is captured."""
        if not config or not config.get("EnableCapture", True):
            return
        if random.random() * 100 >= config["InitialSamplingPercentage"]:
            return
        line = json.dumps(_record(config, exchange))
        place = config["DestinationS3Uri"], variant, config.get("KmsKeyId")
        with self._lock:
            if not self._open:
                timer = threading.Timer(self._seconds(_FLUSH_SECONDS), self.flush)
                timer.daemon = True
                timer.start()
            self._open.setdefault(place, []).append(line)

    def flush(self) -> None:
        """Writes what was captured: one object per variant."""
        with self._lock:
            captured, self._open = self._open, {}
        now = datetime.now(UTC)
        for (address, variant, kms_key), lines in captured.items():
            bucket, prefix = split_uri(address)
            name = f"{now:%M-%S}-{now.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
            path = (prefix.strip("/"), self._endpoint, variant, f"{now:%Y/%m/%d/%H}", name)
            body = "".join(f"{line}\n" for line in lines).encode()
            try:
                key = "/".join(part for part in path if part)
                self._s3.put_object(Bucket=bucket, Key=key, Body=body, **encryption(kms_key))
            except Exception:
                _logger.exception("data capture of endpoint %s cannot write to %s", self._endpoint, address)


def _record(config: Mapping[str, Any], exchange: Exchange) -> dict[str, Any]:
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    headers = {name.lower(): value for name, value in exchange.headers.items()}
    data = {}
    if modes & {"Input", "InputAndOutput"}:
        content_type = headers.get("content-type", "")
        data["endpointInput"] = _captured("INPUT", exchange.body, content_type, config)
    if modes & {"Output", "InputAndOutput"}:
        content_type = exchange.answer_headers.get("content-type", "")
        data["endpointOutput"] = _captured("OUTPUT", exchange.answer, content_type, config)
    metadata: dict[str, Any] = {
        "eventId": str(uuid.uuid4()),
        "inferenceTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    if inference_id := headers.get(_INFERENCE_ID.lower()):
        metadata["inferenceId"] = inference_id
    if attributes := headers.get(_CUSTOM_ATTRIBUTES.lower()):
        metadata["customAttributes"] = attributes.split(",")
    return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}


def _captured(mode: str, content: bytes, content_type: str, config: Mapping[str, Any]) -> dict[str, str]:
    """CSV and JSON as they are, where CaptureContentTypeHeader says that they are; everything else in Base64."""
    known = config.get("CaptureContentTypeHeader") or {}
    kind = content_type.partition(";")[0].strip().lower()
    encoding = "BASE64"
    for name, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if kind in [each.lower() for each in known.get(member) or ()]:
            encoding = name
    data = base64.b64encode(content).decode() if encoding == "BASE64" else content.decode(errors="replace")
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
