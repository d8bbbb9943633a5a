"""Controls 74 and 75: repositories whose images are scanned, stay what they are, and go to nobody else."""

import json
from collections.abc import Iterator

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.customer_keys import is_customer_key
from hf_sagemaker.controls.policies import Statement, condition, is_ours, principals
from hf_sagemaker.controls.templates import Resource, Templates, statements

REPOSITORY = "AWS::ECR::Repository"
WITH_AN_IMAGE = "an image that is built here and not promoted"
_PULL = {
    "ecr:batchchecklayeravailability",
    "ecr:batchgetimage",
    "ecr:describeimagescanfindings",
    "ecr:describeimages",
    "ecr:getdownloadurlforlayer",
}


def keeps_images_safe(templates: Templates) -> Iterator[Proof | Breach]:
    """Images are scanned when they arrive, encrypted with our key, never overwritten, and go away some day."""
    for repository in templates.resources(REPOSITORY):
        faults = list(_repository_faults(templates, repository))
        yield judge(repository, not faults, f"{'; '.join(faults)}.")


def _repository_faults(templates: Templates, repository: Resource) -> Iterator[str]:
    properties = repository.properties
    if properties.get("ImageScanningConfiguration", {}).get("ScanOnPush") is not True:
        yield "ImageScanningConfiguration.ScanOnPush must be true"
    if properties.get("ImageTagMutability") != "IMMUTABLE":
        yield "ImageTagMutability must be IMMUTABLE"
    encryption = properties.get("EncryptionConfiguration", {})
    if not str(encryption.get("EncryptionType", "")).startswith("KMS") or not is_customer_key(
        templates, encryption.get("KmsKey")
    ):
        yield "EncryptionConfiguration must be of type KMS, with a customer managed key"
    policy = json.loads(properties.get("LifecyclePolicy", {}).get("LifecyclePolicyText", "{}"))
    if not any(rule.get("action", {}).get("type") == "expire" for rule in policy.get("rules", [])):
        yield "LifecyclePolicy needs a rule by which images expire"


def shares_by_name_only(templates: Templates) -> Iterator[Proof | Breach]:
    """Nobody outside this account gets images, but accounts that are named, and these may only pull."""
    for repository in templates.resources(REPOSITORY, "AWS::ECR::RegistryPolicy"):
        document = repository.properties.get("RepositoryPolicyText", repository.properties.get("PolicyText"))
        if not document:
            yield Proof(repository, "Has no policy: only roles of this account that are allowed to can pull.")
            continue
        parsed = json.loads(document) if isinstance(document, str) else document
        allows = [statement for statement in statements(parsed) if statement.get("Effect") == "Allow"]
        strangers = [s for s in allows if not _is_for_known(templates, s)]
        yield judge(
            repository,
            not strangers,
            "its policy must name accounts or the organisation (aws:PrincipalOrgID), and let others only pull.",
        )


def _is_for_known(templates: Templates, statement: Statement) -> bool:
    accounts, services = principals(statement, "AWS"), principals(statement, "Service")
    if services:
        own = condition(statement, "aws:SourceAccount", "StringEquals")
        return not accounts and own == [templates.account]
    if accounts and all(is_ours(templates, principal) for principal in accounts):
        return True
    only_pull = "NotAction" not in statement and {str(a).lower() for a in statement.get("Action", [])} <= _PULL
    organisation = condition(statement, "aws:PrincipalOrgID", "StringEquals")
    return only_pull and bool(accounts) and ("*" not in accounts or bool(organisation))


CONTROLS = (
    Control(
        74,
        "scan on push, IMMUTABLE, lifecycle, CMK",
        "SH ECR.1/.2/.3/.5",
        keeps_images_safe,
        comes_with=WITH_AN_IMAGE,
    ),
    Control(
        75,
        "no public repo policy; cross-account pull limited to named accounts / `aws:PrincipalOrgID`",
        "AS-ECR1, CKV_AWS_32",
        shares_by_name_only,
        comes_with=WITH_AN_IMAGE,
    ),
)
