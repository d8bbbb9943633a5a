"""The registry of the published base images and those of other accounts, beside moto's, which looks at one; and scans.

A tag of AWS's can move to a patched image: `republish` is what AWS does then. Nothing is scanned here: a scan finds
what `find` was told, and else nothing.
"""

import hashlib
import threading
from collections import Counter
from typing import Any

import moto.ecr.urls
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecr.models import ECRBackend, ecr_backends
from moto.ecr.responses import ECRResponse

from localcloud import events
from localcloud.images.deep_learning_containers import kind_of
from localcloud.repository_policy import admits
from localcloud.settings import LocalCloud

_lock = threading.Lock()
_published: Counter[tuple[str, str]] = Counter()
"""(repository, tag) → how often it was published again."""


_findings: dict[tuple[str, str, str], list[dict[str, str]]] = {}
"""(account, repository, digest) → what its scan finds."""


class AccessDeniedError(ServiceException):
    """In the words of ECR."""

    code = "AccessDeniedException"


class RegistryResponse(ECRResponse):
    """Answers for other accounts where moto, whatever registry is asked for, looks among the caller's repositories.

    A repository of another account answers when its policy admits the caller's account.
    """

    @property
    def ecr_backend(self) -> ECRBackend:
        owner = self._get_param("registryId") or self.current_account
        backend = ecr_backends[owner][self.region]
        if owner != self.current_account:
            name, action = self._get_param("repositoryName"), f"ecr:{self._get_action()}"
            repository = backend.repositories.get(name)
            if repository is None or not admits(repository.policy, action, account=self.current_account):
                raise AccessDeniedError(
                    f"User: arn:{self.partition}:iam::{self.current_account}:root is not authorized to perform: "
                    f"{action} on resource: arn:{self.partition}:ecr:{self.region}:{owner}:repository/{name} because "
                    f"no resource-based policy allows the {action} action"
                )
        return backend

    def batch_get_image(self) -> ActionResult:
        account, repository = self._get_param("registryId"), self._get_param("repositoryName")
        if account in (None, self.current_account) or repository in ecr_backends[account][self.region].repositories:
            return super().batch_get_image()
        images: list[dict[str, Any]] = []
        failures = []
        for image_id in self._get_param("imageIds"):
            tag = image_id.get("imageTag", "")
            if kind_of(f"{account}.dkr.ecr.{self.region}.amazonaws.com/{repository}:{tag}"):
                identity = {"imageTag": tag, "imageDigest": base_digest(repository, tag)}
                images.append({"registryId": account, "repositoryName": repository, "imageId": identity})
            else:
                reason = "Requested image not found"
                failures.append({"imageId": image_id, "failureCode": "ImageNotFound", "failureReason": reason})
        return ActionResult({"images": images, "failures": failures})

    def describe_image_scan_findings(self) -> ActionResult:
        """Replaces moto's, whose images all have the same made-up findings."""
        repository, wanted = self._get_param("repositoryName"), self._get_param("imageId")
        (image,) = self.ecr_backend.describe_images(repository, None, [wanted])
        digest, owner = image.get_image_digest(), self._get_param("registryId") or self.current_account
        with _lock:
            found = _findings.get((owner, repository, digest), [])
        return ActionResult(
            {
                "registryId": owner,
                "repositoryName": repository,
                "imageId": {"imageDigest": digest},
                "imageScanStatus": {"status": "COMPLETE"},
                "imageScanFindings": {
                    "findings": found,
                    "findingSeverityCounts": dict(Counter(each["severity"] for each in found)),
                },
            }
        )


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once. cloud is not read."""
    for path in moto.ecr.urls.url_paths:
        moto.ecr.urls.url_paths[path] = RegistryResponse.dispatch


def base_digest(repository: str, tag: str) -> str:
    """The digest that a published tag has now; the same on every machine until it is published again."""
    with _lock:
        times = _published[repository, tag]
    return "sha256:" + hashlib.sha256(f"{repository}:{tag} {times}".encode()).hexdigest()


def republish(repository: str, tag: str) -> str:
    """Moves the tag to another image; its digest."""
    with _lock:
        _published[repository, tag] += 1
    return base_digest(repository, tag)


def find(cloud: LocalCloud, repository: str, digest: str, findings: list[dict[str, str]]) -> None:
    """From now on the scan of an image finds this; EventBridge hears that it is complete.

    findings: `{"name": "CVE-…", "severity": "CRITICAL"}`. None of them: it finds nothing any more.
    """
    with _lock:
        _findings[cloud.account, repository, digest] = findings
    arn = f"arn:aws:ecr:{cloud.region}:{cloud.account}:repository/{repository}"
    counts = dict(Counter(each["severity"] for each in findings))
    detail = {
        "scan-status": "COMPLETE",
        "repository-name": repository,
        "image-digest": digest,
        "finding-severity-counts": counts,
    }
    events.emit(arn, "aws.ecr", "ECR Image Scan", detail)
