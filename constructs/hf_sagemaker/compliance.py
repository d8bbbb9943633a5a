"""Acknowledges a rule at the resource that breaks it, with the reason that a reviewer reads."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

NOT_ISOLATED = (
    "The environment's settings say isolation: false, for code that must reach a service while it runs. Instead of the "
    "container's isolation, the security group and the network's egress setting decide what it reaches."
)
"""Why a container may have a network."""


def acknowledge(construct: IConstruct, reason: str, *rules: str) -> None:
    """Accepts rules for one construct and what is below it.

    rules: namespaced ids as the validation report prints them, for example
        `AwsSolutions::AwsSolutions-S1` or `AwsSolutions::AwsSolutions-IAM5[Resource::*]`. A bare or stale id is
        silently ignored by the CDK; tests/compliance shows that each of ours is used.
    """
    Validations.of(construct).acknowledge(*(Acknowledgment(id=rule, reason=reason) for rule in rules))
