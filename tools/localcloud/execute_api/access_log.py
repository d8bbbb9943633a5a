"""The access log of a stage: a line for each request, in the words of its format."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.apigateway.models import RestAPI

from localcloud.execute_api.call import Answer
from localcloud.log_stream import LogStream

_VARIABLE = re.compile(r"\$context\.([A-Za-z.]+)")


def write(api: RestAPI | None, stage_name: str, path: str, environ: dict[str, Any], answer: Answer) -> None:
    """Nothing, where there is no such stage, or it has no log. A variable that is not known is `-`, as on AWS."""
    stage = api.stages.get(stage_name) if api else None
    settings = stage.access_log_settings if stage else None
    if api is None or not settings:
        return
    now = datetime.now(UTC)
    known = {
        "requestId": str(uuid.uuid4()),
        "apiId": api.id,
        "stage": stage_name,
        "httpMethod": environ["REQUEST_METHOD"],
        "resourcePath": path,
        "path": f"/{stage_name}{path}",
        "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
        "status": str(answer.status),
        "responseLength": str(len(answer.body)),
        "requestTime": f"{now:%d/%b/%Y:%H:%M:%S} +0000",
        "requestTimeEpoch": str(int(now.timestamp() * 1000)),
        "identity.sourceIp": environ.get("REMOTE_ADDR", "-"),
    }
    line = _VARIABLE.sub(lambda match: known.get(match[1], "-"), settings["format"])
    _, _, _, region, account, _, group, *_ = settings["destinationArn"].split(":")
    LogStream(account, region, group, f"{api.id}-{stage_name}").write(line)
