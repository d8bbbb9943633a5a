"""`hfsm images`: every image of an environment, what it is made of, what its scan found, and what runs it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.cloud import Parameters
from hfsm.errors import OperatorError

NOT_SCANNED = "not scanned"
NOTHING = "none"
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")


class ListedImage(BaseModel):
    """One image.

    base: `<repository>:<tag>` of the published image that it extends. tag: what the settings lead to now. Both are None
        of an image that another environment builds: promoted_from.
    digest, pushed: of what runs; None until it is built or promoted. pushed: ISO 8601.
    findings: severity → how many; None when ECR has no finished scan. blocked: those that stand against it here.
    used_by: job types and endpoints.
    """

    name: str
    base: str | None = None
    tag: str | None = None
    promoted_from: str | None = None
    digest: str | None = None
    pushed: str | None = None
    findings: dict[str, int] | None = None
    blocked: str | None = None
    used_by: list[str] = []


class ImageList(BaseModel):
    """The images of an environment, by name."""

    schema_version: str = "1"
    environment: str
    images: list[ListedImage]


def list_images(parameters: Parameters) -> ImageList:
    """Ask the parameters and ECR. OperatorError: the environment has no image, so it is not deployed."""
    contract = parameters.below("images")
    if not contract:
        raise OperatorError(f"No image is named below {parameters.prefix}/images: is the environment deployed?")
    used_by = _used_by(parameters)
    images = []
    for name in sorted({path.split("/")[0] for path in contract}):
        image = ListedImage(name=name, used_by=used_by.get(name, []))
        account = None
        if rules := contract.get(f"{name}/promotion-rules"):
            source = json.loads(rules)
            image.promoted_from, account = source["environment"], source["account"]
        else:
            image.base, image.tag = contract[f"{name}/base"], contract[f"{name}/uri"].rsplit(":", 1)[1]
            blocked = contract.get(f"{name}/blocked", NOTHING)
            image.blocked = None if blocked == NOTHING else blocked
        repository, _, digest = contract[f"{name}/digest"].partition("/")[2].partition("@")
        if digest and (found := described(parameters.cloud.client("ecr"), repository, digest, account)):
            image.digest = found["imageDigest"]
            image.pushed = f"{found['imagePushedAt'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            image.findings = scan_findings(found)
        images.append(image)
    return ImageList(environment=parameters.environment, images=images)


def described(ecr: Any, repository: str, digest: str, account: str | None = None) -> dict[str, Any] | None:
    """What ECR says of an image; None: it is not there. account: that owns the repository. Omitted: this one."""
    registry = {"registryId": account} if account else {}
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}], **registry)[
            "imageDetails"
        ]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ImageNotFoundException":
            return None
        raise
    return dict(found[0])


def scan_findings(described: dict[str, Any]) -> dict[str, int] | None:
    """Severity → how many, of what `described` gave; None when there is no finished scan."""
    if described.get("imageScanStatus", {}).get("status") not in ("COMPLETE", "ACTIVE"):
        return None
    counts = described.get("imageScanFindingsSummary", {}).get("findingSeverityCounts", {})
    return {severity: counts[severity] for severity in _SEVERITIES if counts.get(severity)}


def _used_by(parameters: Parameters) -> dict[str, list[str]]:
    """Image → what runs it."""
    found: dict[str, list[str]] = {}
    for part, what in (("training", "job type"), ("inference", "endpoint")):
        for path, image in sorted(parameters.below(part).items()):
            name, _, field = path.partition("/")
            if field == "image":
                found.setdefault(image, []).append(f"{what} {name}")
            elif field == "further-images":
                for further in image.split(","):
                    found.setdefault(further, []).append(f"requests of {name}")
            elif field == "inference-image":
                found.setdefault(image, []).append(f"models of {name}")
    return found


def show(found: ImageList, console: Console) -> None:
    """Print it as a table."""
    table = Table(box=None, pad_edge=False)
    for column in ("image", "base", "tag", "digest", "age", "findings", "used by"):
        table.add_column(column, overflow="fold")
    now = datetime.now(UTC)
    for image in found.images:
        table.add_row(
            image.name,
            image.base or f"promoted from {image.promoted_from}",
            (image.tag or "")[:16],
            (image.digest or ("not promoted" if image.promoted_from else "not built"))[:19],
            age_text(now - datetime.fromisoformat(image.pushed)) if image.pushed else "",
            _findings_text(image) if image.digest else "",
            ", ".join(image.used_by) or "nothing",
        )
    console.print(table)
    absent = [image for image in found.images if image.digest is None]
    if [image for image in absent if not image.promoted_from]:
        console.print(Text(f"Build what is not: hfsm build --env {found.environment}"))
    if [image for image in absent if image.promoted_from]:
        console.print(Text(f"Promote what is not: hfsm images promote IMAGE --to {found.environment}"))


def _findings_text(image: ListedImage) -> str:
    return findings_text(image.findings) + (f" (blocked: {image.blocked})" if image.blocked else "")


def findings_text(findings: dict[str, int] | None) -> str:
    """What `scan_findings` gave, for people."""
    if findings is None:
        return NOT_SCANNED
    return ", ".join(f"{count} {severity.lower()}" for severity, count in findings.items()) or "none"


def age_text(difference: timedelta) -> str:
    """In the largest unit that fits."""
    minutes = int(difference.total_seconds() // 60)
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if count := minutes // size:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "now"
