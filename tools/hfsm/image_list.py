"""`hfsm images`: every image of an environment, what it is made of, what its scan found, and what runs it."""

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.cloud import Parameters
from hfsm.errors import OperatorError

NOT_SCANNED = "not scanned"
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")


class ListedImage(BaseModel):
    """One image.

    base: `<repository>:<tag>` of the published image that it extends. tag: what the settings lead to now.
    digest, pushed: of the image in use; None until one is built. pushed: ISO 8601.
    findings: severity → how many; None when ECR has no finished scan. used_by: job types and endpoints.
    """

    name: str
    base: str
    tag: str
    digest: str | None = None
    pushed: str | None = None
    findings: dict[str, int] | None = None
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
        tag = contract[f"{name}/uri"].rsplit(":", 1)[1]
        repository, _, digest = contract[f"{name}/digest"].partition("/")[2].partition("@")
        image = ListedImage(name=name, base=contract[f"{name}/base"], tag=tag, used_by=used_by.get(name, []))
        if digest and (described := _described(parameters.cloud.client("ecr"), repository, digest)):
            image.digest = described["imageDigest"]
            image.pushed = f"{described['imagePushedAt'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            image.findings = _findings(described)
        images.append(image)
    return ImageList(environment=parameters.environment, images=images)


def _described(ecr: Any, repository: str, digest: str) -> dict[str, Any] | None:
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])["imageDetails"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ImageNotFoundException":
            return None
        raise
    return dict(found[0])


def _findings(described: dict[str, Any]) -> dict[str, int] | None:
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
            image.base,
            image.tag[:16],
            (image.digest or "not built")[:19],
            _age(now - datetime.fromisoformat(image.pushed)) if image.pushed else "",
            _findings_text(image) if image.digest else "",
            ", ".join(image.used_by) or "nothing",
        )
    console.print(table)
    if [image for image in found.images if image.digest is None]:
        console.print(Text(f"Build what is not: hfsm build --env {found.environment}"))


def _findings_text(image: ListedImage) -> str:
    if image.findings is None:
        return NOT_SCANNED
    return ", ".join(f"{count} {severity.lower()}" for severity, count in image.findings.items()) or "none"


def _age(difference: Any) -> str:
    minutes = int(difference.total_seconds() // 60)
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if count := minutes // size:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "now"
