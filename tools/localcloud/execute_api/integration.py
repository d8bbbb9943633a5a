"""What answers a method: SageMaker's runtime, or nothing but the integration's own words (MOCK)."""

import http.client
import re
import urllib.error
import urllib.request
from typing import Any

from moto.apigateway.models import Integration

from localcloud.execute_api.call import Answer, Call, refusal

_RUNTIME = re.compile(r"arn:[^:]+:apigateway:(?P<region>[^:]+):runtime\.sagemaker:path/(?P<path>.+)")
_AS_IT_IS = ("$input.body", "$input.json('$')", '$input.json("$")')
_MOST_SECONDS = 29.0


def integrate(endpoint_url: str, account: str, integration: Integration | None, call: Call) -> Answer:
    """The method's answer. endpoint_url: of this embedded AWS. account: whose the API is."""
    if integration is None:
        return refusal(500, "No integration defined for method")
    if unfit := _unfit(integration, call):
        return unfit
    runtime = _RUNTIME.fullmatch(integration.uri or "")
    if integration.integration_type == "MOCK":
        return _mapped(integration, Answer(200, b"", {}))
    if integration.integration_type != "AWS" or not runtime:
        what = f"{integration.integration_type} {integration.uri}"
        return refusal(500, f"The embedded AWS does not know the integration {what}.")
    try:
        return _mapped(integration, _invoke(endpoint_url, account, integration, runtime, call))
    except TimeoutError:
        return refusal(504, "Endpoint request timed out")


def _unfit(integration: Integration, call: Call) -> Answer | None:
    """The refusal of a content type that is not passed through, or of a template that would have to be evaluated."""
    templates = integration.request_templates or {}
    template = templates.get(call.content_type)
    never = integration.passthrough_behaviour == "NEVER"
    when_no_templates = integration.passthrough_behaviour == "WHEN_NO_TEMPLATES" and templates
    if template is None and (never or when_no_templates):
        return refusal(415, "Unsupported Media Type")
    if template and integration.integration_type != "MOCK" and template.strip() not in _AS_IT_IS:
        return refusal(500, "The embedded AWS does not evaluate mapping templates of requests.")
    return None


def _invoke(endpoint_url: str, account: str, integration: Integration, runtime: re.Match[str], call: Call) -> Answer:
    """As the role of the integration, with the headers that its parameters name."""
    path, headers = runtime["path"], {"content-type": call.content_type}
    for target, source in (integration.request_parameters or {}).items():
        _, _, place, name = target.split(".", 3)
        value = call.value(source)
        if value is not None and place == "path":
            path = path.replace(f"{{{name}}}", value)
        elif value is not None and place == "header":
            headers[name.lower()] = value
    caller = (integration.credentials or "::::").split(":")[4] or account
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={caller}/20260101/{runtime['region']}/sagemaker/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )
    seconds = int(integration.timeout_in_millis or 0) / 1000 or _MOST_SECONDS
    asked = urllib.request.Request(f"{endpoint_url}/{path}", data=call.body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            return _read(answer.status, answer)
    except urllib.error.HTTPError as error:
        with error:
            return _read(error.code, error)


def _read(status: int, answer: Any) -> Answer:
    message: http.client.HTTPMessage = answer.headers
    return Answer(status, answer.read(), {name.lower(): value for name, value in message.items()})


def _mapped(integration: Integration, raw: Answer) -> Answer:
    """The integration response whose pattern fits the status; else the one without a pattern."""
    responses = list((integration.integration_responses or {}).values())
    chosen = next(
        (
            each
            for each in responses
            if each.selection_pattern and re.fullmatch(each.selection_pattern, str(raw.status))
        ),
        next((each for each in responses if not each.selection_pattern), None),
    )
    if chosen is None:
        return refusal(500, "Internal server error")
    body, headers = raw.body, {"content-type": raw.headers.get("content-type", "application/json")}
    template = next((text for text in (chosen.response_templates or {}).values() if text), None)
    if template and template.strip() not in _AS_IT_IS:
        if "$" in template or "#" in template:
            return refusal(500, "The embedded AWS does not evaluate mapping templates of responses.")
        body = template.encode()
    for target, source in (chosen.response_parameters or {}).items():
        name = target.split(".", 3)[3]
        value = source.strip("'") if source.startswith("'") else raw.headers.get(source.split(".", 3)[3].lower())
        if value is not None:
            headers[name.lower()] = value
    return Answer(int(chosen.status_code), body, headers)
