"""What API Gateway looks at before a method is answered: its rate, its parameters, its body."""

import json
import threading
import time
from dataclasses import dataclass, field

import jsonschema
from moto.apigateway.models import Method, RestAPI, Stage

from localcloud.execute_api.call import Answer, Call, refusal

_SIGNED = "AWS_IAM"


@dataclass
class Rates:
    """How many requests the stages let pass: so many a second, and a burst of so many at once."""

    _left: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refused(self, api: RestAPI, stage: Stage) -> Answer | None:
        """By the settings of all methods of the stage; without them, nothing is."""
        settings = stage.method_settings.get("*/*")
        if not settings:
            return None
        key, rate, burst = (api.id, str(stage.name)), settings["throttlingRateLimit"], settings["throttlingBurstLimit"]
        with self._lock:
            now = time.monotonic()
            left, since = self._left.get(key, (float(burst), now))
            left = min(left + (now - since) * rate, burst)
            self._left[key] = (max(left - 1, 0) if left >= 1 else left, now)
        return None if left >= 1 else refusal(429, "Too Many Requests")


def refused(api: RestAPI, method: Method, call: Call) -> Answer | None:
    """A signature that is missing, a parameter that is, or a body that does not fit its model."""
    if method.authorization_type == _SIGNED and "authorization" not in call.headers:
        return refusal(403, "Missing Authentication Token")
    validator = api.request_validators.get(method.request_validator_id or "")
    if validator is None:
        return None
    if validator.validate_request_parameters and (missing := _missing(method, call)):
        return refusal(400, f"Missing required request parameters: [{', '.join(missing)}]")
    if validator.validate_request_body and not _fits(api, method, call):
        return refusal(400, "Invalid request body")
    return None


def _missing(method: Method, call: Call) -> list[str]:
    required = [name for name, is_required in (method.request_parameters or {}).items() if is_required]
    return [name.split(".", 3)[3] for name in required if not call.value(name)]


def _fits(api: RestAPI, method: Method, call: Call) -> bool:
    """A content type without a model is not looked at."""
    name = (method.request_models or {}).get(call.content_type)
    if name is None:
        return True
    try:
        jsonschema.Draft4Validator(json.loads(api.models[name].schema or "{}")).validate(json.loads(call.body))
    except (ValueError, jsonschema.ValidationError):
        return False
    return True
