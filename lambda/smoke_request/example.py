"""The example, and the requests that it makes."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Example:
    """What is asked. body: as it is sent."""

    content_type: str
    body: bytes

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> "Example":
        """From {ContentType, and Body as text or BodyBase64}."""
        if "BodyBase64" in properties:
            return cls(properties["ContentType"], base64.b64decode(properties["BodyBase64"]))
        return cls(properties["ContentType"], properties["Body"].encode())


@dataclass(frozen=True)
class Asked:
    """One request. name: of the variant, component or model that is asked. target: parameters of InvokeEndpoint."""

    name: str
    target: Mapping[str, str]


def asked(properties: Mapping[str, Any]) -> list[Asked]:
    """One request for each part of the endpoint: behind its weights, a bad variant would answer only sometimes."""
    found = [Asked(each, {"TargetVariant": each}) for each in properties.get("Variants", [])]
    found += [Asked(each, {"InferenceComponentName": each}) for each in properties.get("Components", [])]
    if target := properties.get("TargetModel"):
        found = [Asked(f"{each.name}, model {target}", {**each.target, "TargetModel": target}) for each in found]
    # Asynchronous and serverless endpoints have one variant, and take no target.
    return found or [Asked("its only variant", {})]


def shown(answer: bytes) -> str:
    """The first characters of an answer, in one line."""
    text = answer[:2000].decode(errors="replace")
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        text = " ".join(text.split())
    return text[:500]
