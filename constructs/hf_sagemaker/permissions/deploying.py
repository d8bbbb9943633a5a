"""What CloudFormation does to create, change and delete the stacks of an environment."""

from collections.abc import Sequence

from constructs import Construct

from hf_sagemaker.permissions import deploying_actions as actions
from hf_sagemaker.permissions.permission import Permission, allow, statement
from hf_sagemaker.place import place_of

_PREFIXES = (
    "The resources of this environment's stacks: CloudFormation makes their names from the stacks', which begin with "
    "the environment's, or from ids that only exist afterwards."
)


def deploy_storage(scope: Construct, environment: str) -> list[Permission]:
    """Buckets, keys, log groups, repositories and parameters. Keys only when they carry the environment's tag."""
    arn, place = _here(scope)
    region, account = place.split(":")
    tag = {"StringEquals": {"aws:ResourceTag/hf-sagemaker:environment": environment}}
    new = {"StringEquals": {"aws:RequestTag/hf-sagemaker:environment": environment}}
    return [
        allow(actions.BUCKETS, f"{arn}:s3:::{environment}-*", why_wildcards=_PREFIXES),
        allow(["kms:CreateKey"], "*", conditions=new, why_wildcards="kms:CreateKey knows no resource type."),
        allow(actions.KEYS, f"{arn}:kms:{place}:key/*", conditions=tag, why_wildcards=_PREFIXES),
        # A state machine is encrypted with the rights of who creates it, a repository by a grant that they hold.
        allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            f"{arn}:kms:{place}:key/*",
            conditions={"StringEquals": {**tag["StringEquals"], "kms:ViaService": f"states.{region}.amazonaws.com"}},
            why_wildcards=_PREFIXES,
        ),
        allow(
            ["kms:CreateGrant", "kms:RetireGrant"],
            f"{arn}:kms:{place}:key/*",
            conditions={
                "StringEquals": {
                    **tag["StringEquals"],
                    "kms:ViaService": [f"{service}.{region}.amazonaws.com" for service in ("ecr", "sagemaker")],
                }
            },
            why_wildcards=_PREFIXES,
        ),
        allow(
            ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
            f"{arn}:kms:{place}:alias/{environment}-*",
            why_wildcards=_PREFIXES,
        ),
        allow(actions.LOG_GROUPS, f"{arn}:logs:{place}:log-group:{environment}-*", why_wildcards=_PREFIXES),
        allow(
            actions.REPOSITORIES, f"{arn}:ecr:{place}:repository/hf-sagemaker/{environment}/*", why_wildcards=_PREFIXES
        ),
        allow(actions.PARAMETERS, f"{arn}:ssm:{place}:parameter/hf-sagemaker/{environment}/*", why_wildcards=_PREFIXES),
        allow(["ssm:GetParameters"], f"{arn}:ssm:{place}:parameter/cdk-bootstrap/*", why_wildcards=_PREFIXES),
        allow(
            ["s3:GetObject", "s3:GetObjectVersion"],
            f"{arn}:s3:::cdk-*-assets-{account}-{region}/*",
            why_wildcards="The code of functions, which the CDK uploads under its hash.",
        ),
    ]


def deploy_network(scope: Construct) -> list[Permission]:
    """VPC, subnets, endpoints, security groups, flow logs, and what has to be looked up."""
    arn, place = _here(scope)
    return [
        allow(
            actions.NETWORK, *(f"{arn}:ec2:{place}:{kind}/*" for kind in actions.NETWORK_KINDS), why_wildcards=_PREFIXES
        ),
        allow(
            # The private names of interface endpoints lie in hosted zones of AWS.
            ["route53:AssociateVPCWithHostedZone"],
            f"{arn}:route53:::hostedzone/*",
            why_wildcards="AWS owns the zones of its endpoints and chooses their ids.",
        ),
        allow(actions.LOOK_UPS, "*", why_wildcards="Look-ups, log delivery and subscriptions know no resource types."),
    ]


def deploy_roles(
    scope: Construct, environment: str, path: str, boundaries: Sequence[str], services: tuple[str, ...]
) -> list[Permission]:
    """Roles and policies of the environment, none without a boundary of its, handed to these services only."""
    arn, place = _here(scope)
    account = place.split(":")[1]
    roles = [
        f"{arn}:iam::{account}:role{path}{environment}-*",
        f"{arn}:iam::{account}:role{path}sagemaker_execution_role",
    ]
    policies = f"{arn}:iam::{account}:policy{path}{environment}-*"
    bounded = {"StringEquals": {"iam:PermissionsBoundary": list(boundaries)}} if boundaries else None
    return [
        allow(
            ["iam:CreateRole", "iam:PutRolePermissionsBoundary"], *roles, conditions=bounded, why_wildcards=_PREFIXES
        ),
        allow(
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            *roles,
            conditions={**(bounded or {}), "ArnLike": {"iam:PolicyARN": policies}},
            why_wildcards=_PREFIXES,
        ),
        allow(actions.ROLES, *roles, why_wildcards=_PREFIXES),
        allow(actions.POLICIES, policies, why_wildcards=_PREFIXES),
        allow(
            ["iam:PassRole"],
            *roles,
            conditions={"StringEquals": {"iam:PassedToService": list(services)}},
            why_wildcards=_PREFIXES,
        ),
        allow(
            ["iam:CreateServiceLinkedRole"],
            f"{arn}:iam::{account}:role/aws-service-role/{actions.SCALING_SERVICE}/*",
            conditions={"StringEquals": {"iam:AWSServiceName": actions.SCALING_SERVICE}},
            why_wildcards="AWS names the role with which SageMaker's endpoints are scaled; an account has one.",
        ),
        Permission(
            [
                statement(
                    sid="NotTheGuardrails",
                    effect="Deny",
                    actions=[*actions.CHANGES_OF_ROLES, *actions.CHANGES_OF_POLICIES],
                    resources=[
                        f"{arn}:iam::{account}:{kind}{path}{environment}-Guardrails-*" for kind in ("policy", "role")
                    ],
                )
            ],
        ),
    ]


def deploy_work(scope: Construct, environment: str) -> list[Permission]:
    """Functions, state machines, topics, rules, queues, build projects, alarms, scaling, models and endpoints."""
    arn, place = _here(scope)
    return [
        allow(actions.FUNCTIONS, f"{arn}:lambda:{place}:function:{environment}-*", why_wildcards=_PREFIXES),
        allow(actions.STATE_MACHINES, f"{arn}:states:{place}:stateMachine:*", why_wildcards=_PREFIXES),
        allow(actions.SCHEDULES, f"{arn}:scheduler:{place}:schedule/default/{environment}-*", why_wildcards=_PREFIXES),
        allow(actions.TOPICS, f"{arn}:sns:{place}:{environment}-*", why_wildcards=_PREFIXES),
        allow(actions.RULES, f"{arn}:events:{place}:rule/{environment}-*", why_wildcards=_PREFIXES),
        allow(actions.QUEUES, f"{arn}:sqs:{place}:{environment}-*", why_wildcards=_PREFIXES),
        allow(actions.PROJECTS, f"{arn}:codebuild:{place}:project/*", why_wildcards=_PREFIXES),
        allow(actions.ALARMS, f"{arn}:cloudwatch:{place}:alarm:*", why_wildcards=_PREFIXES),
        allow(actions.SCALING, f"{arn}:application-autoscaling:{place}:scalable-target/*", why_wildcards=_PREFIXES),
        allow(
            actions.SERVING,
            *(f"{arn}:sagemaker:{place}:{kind}/*" for kind in ("endpoint-config", "model")),
            *(
                f"{arn}:sagemaker:{place}:{kind}/{environment}-*"
                for kind in ("endpoint", "model-package", "model-package-group")
            ),
            why_wildcards=_PREFIXES,
        ),
    ]


def _here(scope: Construct) -> tuple[str, str]:
    place = place_of(scope)
    return f"arn:{place.partition}", f"{place.region}:{place.account}"


__all__ = ["deploy_network", "deploy_roles", "deploy_storage", "deploy_work"]
