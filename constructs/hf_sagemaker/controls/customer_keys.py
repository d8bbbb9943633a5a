"""What is encrypted with a key that this account's people manage, and which log groups are kept as they should be."""

import re

from hf_sagemaker.controls.templates import Resource, Templates

LOG_GROUP = "AWS::Logs::LogGroup"
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")


def is_customer_key(templates: Templates, value: object) -> bool:
    """Whether a resolved value is a key of this environment, or the ARN of a key that the team owns.

    An alias is neither: it may point at another key tomorrow. Nor is a key of AWS's, such as `alias/aws/sns`.
    """
    found = templates.find(value)
    if found is not None:
        return found.type == "AWS::KMS::Key" and value in (found.reference("Arn"), found.reference())
    return _KEY_ARN.fullmatch(str(value)) is not None


def log_group(templates: Templates, value: object) -> Resource | None:
    """The log group of this environment that a resolved value names; None when it names none."""
    found = templates.find(value)
    return found if found is not None and found.type == LOG_GROUP else None


def is_kept(templates: Templates, group: Resource) -> bool:
    """Whether the log group is encrypted with a customer managed key, and its lines go away some day."""
    days = group.properties.get("RetentionInDays")
    return isinstance(days, int) and days > 0 and is_customer_key(templates, group.properties.get("KmsKeyId"))
