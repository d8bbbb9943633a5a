"""The role in which CloudFormation deploys an environment, in place of an administrator."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.permissions import deploying

PASSED_TO = (
    "codebuild.amazonaws.com",
    "lambda.amazonaws.com",
    "s3.amazonaws.com",
    "sagemaker.amazonaws.com",
    "scheduler.amazonaws.com",
    "states.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
)
"""The services that an environment's roles are for."""

_BUILT = "It makes the parameters into which a build writes what it built, and gives them their first value (34). "
_BOUNDED = (
    "The boundary of the other roles admits no deployment (33): instead, its policies, which only an administrator can "
    "change, let it make no role without that boundary."
)
_UNBOUNDED = (
    "The settings say roles.permissions_boundary: none (33): what each role may do is in its own policies; the "
    "account's service control policy, where there is one, still holds."
)


class DeployingRole(Construct):
    """A role for CloudFormation that can make, change and delete one environment and nothing else.

    role: trusted by CloudFormation in this account.
    policies: what it may do; `cdk bootstrap --cloudformation-execution-policies` takes their ARNs, so that the CDK's
        own execution role is no administrator either.

    Every role that it creates must carry a boundary of the environment's. It cannot change the stack that holds itself:
    that is an administrator's, once.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        path: str,
        boundaries: Sequence[str],
        subscribes_to: Sequence[str] = (),
        builds_images: bool = True,
    ) -> None:
        """Creates role and policies.

        environment: its stacks' names begin with it. path: IAM path of its roles.
        boundaries: ARNs of the boundaries of its roles, of which each has one. Empty: they have none.
        subscribes_to: ARNs of topics outside the environment that it subscribes functions to. Omitted: none.
        builds_images: False: every image of the environment is built in another one.
        """
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=allow.service_principal(self, "cloudformation.amazonaws.com"),
            description=f"CloudFormation deploys {environment} in it",
        )
        duties: dict[str, Sequence[allow.Permission]] = {
            "Storage": deploying.deploy_storage(self, environment),
            "Network": deploying.deploy_network(self),
            "Roles": deploying.deploy_roles(self, environment, path, boundaries, PASSED_TO),
            "Work": [
                *deploying.deploy_work(self, environment),
                *([allow.allow(["sns:Subscribe"], *subscribes_to)] if subscribes_to else []),
            ],
        }
        self.policies = [
            allow.DutyPolicy(self, f"{name}Policy", role=self.role, permissions=permissions, acknowledged=False)
            for name, permissions in duties.items()
        ]
        wildcards = {rule: why for policy in self.policies for rule, why in policy.wildcards.items()}
        acknowledge(
            self,
            "This role makes an environment, so that it cannot name what it makes. "
            + " ".join(dict.fromkeys(wildcards.values()))
            + " It decrypts with keys that carry the environment's tag, only through Step Functions, which encrypts a "
            "state machine with its creator's rights (control 4); it hands the environment's roles, by prefix, to the "
            "services that they are for (28). "
            + (_BUILT if builds_images else "")
            + (_BOUNDED if boundaries else _UNBOUNDED),
            *wildcards,
            "HfSageMaker::Control-4",
            "HfSageMaker::Control-28",
            "HfSageMaker::Control-33",
            *(["HfSageMaker::Control-34"] if builds_images else []),
        )
