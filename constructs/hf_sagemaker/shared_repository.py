"""Letting roles of other environments pull the images of a repository."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam

from hf_sagemaker import permissions as allow
from hf_sagemaker.execution_roles import NOTEBOOK_ROLE
from hf_sagemaker.place import place_of


@dataclass(frozen=True, kw_only=True)
class Puller:
    """An environment that runs images of this one. account: of its roles. role_path: IAM path of theirs."""

    environment: str
    account: str
    role_path: str = "/"


def share(repository: ecr.Repository, pullers: Sequence[Puller]) -> None:
    """Lets the roles of these environments pull, and see what a scan has found; nobody else, and nothing else.

    Which of its roles may do so is up to each environment: a policy of the role must allow it too.
    """
    partition = place_of(repository).partition
    for puller in pullers:
        roles = f"arn:{partition}:iam::{puller.account}:role{puller.role_path}"
        repository.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"Promote{''.join(word.capitalize() for word in puller.environment.split('-'))}",
                # Through the account and not by name: ECR refuses a policy with a role that is not there yet, and
                # forgets one that is made again.
                principals=[iam.AccountPrincipal(puller.account)],
                actions=[*allow.ECR_PULL, *allow.ECR_LOOK],
                conditions={
                    "ArnLike": {"aws:PrincipalArn": [f"{roles}{puller.environment}-*", f"{roles}{NOTEBOOK_ROLE}"]}
                },
            )
        )
