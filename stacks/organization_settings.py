"""What a platform team may say about its organisation: the model of `environments/organization.yaml`, if there is one.

Never imports aws_cdk, see stacks/settings.py.
"""

from typing import Annotated

from pydantic import Field

from stacks.settings_base import Settings

ORGANIZATION = "organization"
"""Name of the file, and of the stage; no environment can have it."""


class OrganizationSettings(Settings):
    """The account that manages the organisation; a service control policy per environment is deployed there."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    """The management account, or one to which it has delegated policies: 12 digits, in quotation marks."""
    region: Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")] = "us-east-1"
    """Where the stack lies; the policies hold everywhere."""
    deployers: list[Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::(\d{12}|\*):role/[A-Za-z0-9+=,.@_/*-]+$")]] = []
    """Further roles in which CloudFormation deploys, as ARNs with `*`. Only these, the CDK's execution role and the
    environment's deploying role may change bucket policies, public access blocks and log groups and, in disposable
    environments, remove keys."""
