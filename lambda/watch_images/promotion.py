"""What is decided about one image that is to run in another environment than the one that built it.

Knows no AWS: the answers of its APIs come in, sentences for people go out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from watch_images.logic import Rules, accepted_from, standing
from watch_images.scans import NOT_SCANNED, Scan

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class PromotionRules(Rules):
    """What may be promoted, as the environment's settings say.

    environment, account, repository, repository_uri: who builds the image, and where it is.
    digest, request, record: names of parameters.
    """

    environment: str
    account: str
    repository: str
    repository_uri: str
    digest: str
    request: str
    record: str

    @staticmethod
    def from_text(text: str) -> "PromotionRules":
        """As the parameter has it."""
        entry = json.loads(text)
        return PromotionRules(**{**entry, "accepted": accepted_from(entry)})


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody asked for. digest: as they wrote it. by: their ARN, as SSM knows it. version: of the parameter."""

    digest: str
    by: str
    version: int


def newest_request(history: Sequence[Mapping[str, Any]]) -> Request:
    """What was asked for last. history: of the request parameter, in any order; it holds the first value at least."""
    newest = max(history, key=lambda each: int(each["Version"]))
    return Request(digest=newest["Value"], by=newest.get("LastModifiedUser", ""), version=int(newest["Version"]))


def request_problem(request: Request, version: int) -> str | None:
    """Why the newest request is not to be judged: it is no digest, or not the one that the caller means (`version`)."""
    if request.version != version:
        return (
            f"The newest request is number {request.version} and not {version}: somebody has asked for another image "
            "in between, or AWS has not seen yours yet. Look at what runs now, and ask again."
        )
    if not _DIGEST.fullmatch(request.digest):
        return f"{request.digest!r} is no digest: ask for sha256: and 64 hexadecimal digits."
    return None


def image_problems(rules: PromotionRules, tags: Sequence[str] | None, scan: Scan, today: date) -> list[str]:
    """Why the image may not run here; empty: it may. tags: that it has; None: there is no such image."""
    if tags is None:
        return [
            f"{rules.environment} has no such image in {rules.repository}: `hfsm images --env {rules.environment}` "
            "lists what it has."
        ]
    problems = []
    if not tags:
        problems.append("The image has no tag any more: it is about to be deleted. Build it again, and promote that.")
    if rules.on_findings == "none":
        return problems
    if not scan.is_complete:
        problems.append(
            f"ECR has {'not scanned' if scan.status == NOT_SCANNED else 'no finished scan of'} the image (its scan is "
            f"{scan.status}): wait until it is COMPLETE, or start one, and promote it then."
        )
    found = standing(scan.findings, rules, today)
    if found:
        problems.append(
            f"Its scan found {', '.join(_explained(name, rules, today) for name in found)}, {rules.on_findings} or "
            f"worse. Upgrade what they are in and build the image again in {rules.environment}; or accept each for a "
            "while, with `until` and `reason`, under rebuild.accepted_findings of the image here, and deploy."
        )
    return problems


def _explained(name: str, rules: PromotionRules, today: date) -> str:
    over = [each.until for each in rules.accepted if each.name == name and each.until < today]
    return f"{name} (accepted until {max(over)} only)" if over else name


def record_text(request: Request, rules: PromotionRules, *, before: str, at: str) -> str:
    """What the record parameter is to say. before: what ran here. at: ISO 8601."""
    return json.dumps(
        {
            "digest": request.digest,
            "from": rules.environment,
            "at": at,
            "by": request.by,
            "request": request.version,
            "before": before.partition("@")[2] or before,
        }
    )
