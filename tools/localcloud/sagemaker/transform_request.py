"""CreateTransformJob requests: what AWS refuses, what can only be done there, and how objects become requests."""

from collections.abc import Iterator
from typing import Any

from moto.sagemaker.exceptions import ValidationError

from localcloud.sagemaker.job_request import check_shape, name_problems

_MEGABYTE = 1024 * 1024
_MOST_MEGABYTES = 100
_STRATEGIES = {"SINGLE_RECORD": "SingleRecord", "MULTI_RECORD": "MultiRecord"}
_PAYLOAD = 6  # megabytes, where a request is silent


def check(request: dict[str, Any]) -> None:
    """ValidationError: all problems of the request, in one message."""
    check_shape("CreateTransformJob", request)
    problems = [*name_problems("TransformJobName", request["TransformJobName"]), *_payload_problems(request)]
    given, target = request["TransformInput"], request["TransformOutput"]
    split = given.get("SplitType", "None")
    if request.get("BatchStrategy") == "MultiRecord" and split == "None":
        problems.append("BatchStrategy MultiRecord needs a SplitType")
    if target.get("AssembleWith", "None") == "Line" and split == "None":
        problems.append("AssembleWith Line needs SplitType Line")
    if problems := [*problems, *_local_problems(request)]:
        raise ValidationError("; ".join(problems))


def completed(request: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The request, with what it does not say as the container wants it.

    parameters: the container's answer to GET /execution-parameters; what makes no sense in it does not count.
    """
    wanted: dict[str, Any] = {
        name: value
        for name in ("MaxConcurrentTransforms", "MaxPayloadInMB")
        if isinstance(value := parameters.get(name), int) and value > 0
    }
    if strategy := _STRATEGIES.get(str(parameters.get("BatchStrategy"))):
        wanted["BatchStrategy"] = strategy
    whole = {**wanted, **{name: value for name, value in request.items() if name not in wanted or value}}
    return request if _payload_problems(whole) else whole


def max_payload(request: dict[str, Any]) -> int:
    """Bytes of one request."""
    return int(request.get("MaxPayloadInMB") or _PAYLOAD) * _MEGABYTE


def concurrency(request: dict[str, Any]) -> int:
    return int(request.get("MaxConcurrentTransforms") or 1)


def payloads(content: bytes, request: dict[str, Any]) -> Iterator[bytes]:
    """What is sent of one object, in its order. ValueError: a record is too large."""
    largest = max_payload(request)
    if request["TransformInput"].get("SplitType", "None") == "None":
        yield _fitting(content, largest)
        return
    lines = [line for line in content.split(b"\n") if line]
    if request.get("BatchStrategy", "MultiRecord") == "SingleRecord":
        yield from (_fitting(line, largest) for line in lines)
        return
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and size + len(_fitting(line, largest)) + 1 > largest:
            yield b"\n".join(batch)
            batch, size = [], 0
        batch.append(_fitting(line, largest))
        size += len(line) + 1
    if batch:
        yield b"\n".join(batch)


def assembled(answers: list[bytes], request: dict[str, Any]) -> bytes:
    """The `.out` object."""
    if request["TransformOutput"].get("AssembleWith", "None") == "None":
        return b"".join(answers)
    return b"".join(answer.removesuffix(b"\n") + b"\n" for answer in answers)


def _fitting(payload: bytes, largest: int) -> bytes:
    if len(payload) > largest:
        raise ValueError(f"a record has {len(payload)} bytes, and MaxPayloadInMB allows {largest}")
    return payload


def _payload_problems(request: dict[str, Any]) -> list[str]:
    megabytes = int(request.get("MaxPayloadInMB") or _PAYLOAD)
    if megabytes > _MOST_MEGABYTES:
        return [f"MaxPayloadInMB is {megabytes}; at most {_MOST_MEGABYTES} are allowed"]
    if megabytes * concurrency(request) > _MOST_MEGABYTES:
        return [f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {_MOST_MEGABYTES}"]
    return []


def _local_problems(request: dict[str, Any]) -> list[str]:
    given = request["TransformInput"]
    problems = [
        f"{name}: the embedded AWS does not have it"
        for name in ("DataCaptureConfig", "DataProcessing")
        if request.get(name)
    ]
    if (
        given["DataSource"]["S3DataSource"]["S3DataType"] != "S3Prefix"
        or given.get("CompressionType", "None") != "None"
    ):
        problems.append("TransformInput: the embedded AWS has S3DataType S3Prefix and CompressionType None only")
    if given.get("SplitType", "None") not in ("None", "Line"):
        problems.append(f"SplitType {given['SplitType']}: the embedded AWS has Line and None only")
    if request["TransformResources"]["InstanceCount"] != 1:
        problems.append("InstanceCount: the embedded AWS runs one instance per job")
    return problems
