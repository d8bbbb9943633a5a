"""What ECR's scan of an image says."""

from dataclasses import dataclass, field
from typing import Any

NOT_SCANNED = "NOT_SCANNED"


@dataclass(frozen=True)
class Scan:
    """status: ECR's own word, or NOT_SCANNED. findings: basic or enhanced, as ECR has them."""

    status: str = NOT_SCANNED
    findings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everything that it can find is there. A continuous scan is never complete, but active."""
        return self.status in ("COMPLETE", "ACTIVE")


def read_scan(ecr: Any, account: str, repository: str, digest: str) -> Scan:
    """The last scan of an image. account: that owns the repository."""
    pages = ecr.get_paginator("describe_image_scan_findings")
    scan = Scan()
    try:
        for page in pages.paginate(registryId=account, repositoryName=repository, imageId={"imageDigest": digest}):
            findings = page.get("imageScanFindings", {})
            found = [*findings.get("findings", []), *findings.get("enhancedFindings", [])]
            scan = Scan(page.get("imageScanStatus", {}).get("status", scan.status), [*scan.findings, *found])
    except ecr.exceptions.ScanNotFoundException:
        return Scan()
    return scan
