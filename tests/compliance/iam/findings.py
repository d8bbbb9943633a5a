"""What the tables and the statics have found and the policies do not satisfy yet: each with what has to change.

A finding that is mended fails its test until it is taken out of here.
"""

from typing import Any

import pytest

ROWS = {
    "the-command-counts-instances": "Nobody may sagemaker:DescribeEndpointConfig: add it for `endpoint-config/*` to "
    "look_at_jobs and to the boundary; its names are generated.",
    "the-command-lists-models": "sagemaker:ListModelPackages knows `model-package`, not `model-package-group`.",
    "deployment-registers-scaling": "The first scalable target of an account needs iam:CreateServiceLinkedRole for "
    "sagemaker.application-autoscaling.amazonaws.com.",
    "deployment-attaches-administrator-access": "iam:AttachRolePolicy lacks a condition on iam:PolicyARN.",
    "deployment-widens-the-guardrails": "The deploying role's policy actions reach `<environment>-Guardrails-*`: the "
    "boundary and its own policies.",
    "deployment-changes-its-own-role": "The deploying role's role actions reach `<environment>-Guardrails-*`: itself.",
    "deployment-passes-somebody-elses-role": "iam:PassRole of the deploying role reaches itself.",
    "service-uses-a-key-for-another-account": "The CDK adds a statement without a condition for logging.s3 to the "
    "logs key, because the bucket of the access logs is given the key as a construct.",
}
STATICS = {
    "patterns": "The CDK's statement in the logs key allows kms:GenerateDataKey* and kms:ReEncrypt*.",
    "everything": "The deploying role's SageMaker actions are on `arn:…:sagemaker:…:*`: name the types of resource.",
    "unknown": "sns:GetSubscriptionAttributes, sns:SetSubscriptionAttributes and sns:Unsubscribe know no resource; "
    "sagemaker:ListModelPackages knows `model-package`.",
    "services": ROWS["service-uses-a-key-for-another-account"],
}


def row(name: str) -> Any:
    """Marks of the row's test."""
    return [pytest.mark.xfail(reason=ROWS[name], strict=True)] if name in ROWS else []


def static(name: str) -> pytest.MarkDecorator:
    """Marks a test of the policies' text."""
    return pytest.mark.xfail(reason=STATICS[name], strict=True)
