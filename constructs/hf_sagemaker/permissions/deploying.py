"""What CloudFormation does to create, change and delete the stacks of an environment.

Source: the handlers of each resource type in the CloudFormation registry; a test compares. What an environment's stacks
never use (metadata tables, provisioned concurrency, code signing …) is left out.
"""

from aws_cdk import Stack
from constructs import Construct

from hf_sagemaker.permissions.permission import Permission, allow

_BUCKETS = (
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:GetAccelerateConfiguration",
    "s3:GetAnalyticsConfiguration",
    "s3:GetBucketAcl",
    "s3:GetBucketCORS",
    "s3:GetBucketLogging",
    "s3:GetBucketNotification",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetBucketWebsite",
    "s3:GetEncryptionConfiguration",
    "s3:GetIntelligentTieringConfiguration",
    "s3:GetInventoryConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetMetricsConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:ListTagsForResource",
    "s3:PutBucketLogging",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
    "s3:TagResource",
    "s3:UntagResource",
)
_KEYS = (
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GenerateDataKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RetireGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
_LOG_GROUPS = (
    "logs:AssociateKmsKey",
    "logs:CreateLogGroup",
    "logs:DeleteLogGroup",
    "logs:DeleteRetentionPolicy",
    "logs:DisassociateKmsKey",
    "logs:GetDataProtectionPolicy",
    "logs:ListTagsForResource",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
    "logs:UntagResource",
)
_REPOSITORIES = (
    "ecr:CreateRepository",
    "ecr:BatchDeleteImage",
    "ecr:DeleteLifecyclePolicy",
    "ecr:DeleteRepository",
    "ecr:DeleteRepositoryPolicy",
    "ecr:DescribeRepositories",
    "ecr:GetLifecyclePolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:ListImages",
    "ecr:ListTagsForResource",
    "ecr:PutImageScanningConfiguration",
    "ecr:PutImageTagMutability",
    "ecr:PutLifecyclePolicy",
    "ecr:SetRepositoryPolicy",
    "ecr:TagResource",
    "ecr:UntagResource",
)
_PARAMETERS = (
    "ssm:AddTagsToResource",
    "ssm:DeleteParameter",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:ListTagsForResource",
    "ssm:PutParameter",
    "ssm:RemoveTagsFromResource",
)
_NETWORK = (
    "ec2:AllocateAddress",
    "ec2:AssociateRouteTable",
    "ec2:AttachInternetGateway",
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateFlowLogs",
    "ec2:CreateInternetGateway",
    "ec2:CreateNatGateway",
    "ec2:CreateRoute",
    "ec2:CreateRouteTable",
    "ec2:CreateSecurityGroup",
    "ec2:CreateSubnet",
    "ec2:CreateTags",
    "ec2:CreateVpc",
    "ec2:CreateVpcEndpoint",
    "ec2:DeleteFlowLogs",
    "ec2:DeleteInternetGateway",
    "ec2:DeleteNatGateway",
    "ec2:DeleteRoute",
    "ec2:DeleteRouteTable",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteSubnet",
    "ec2:DeleteTags",
    "ec2:DeleteVpc",
    "ec2:DeleteVpcEndpoints",
    "ec2:DetachInternetGateway",
    "ec2:DisassociateRouteTable",
    "ec2:ModifySubnetAttribute",
    "ec2:DescribeVpcAttribute",
    "ec2:ModifyVpcAttribute",
    "ec2:ModifyVpcEndpoint",
    "ec2:ReleaseAddress",
    "ec2:ReplaceRoute",
    "ec2:ReplaceRouteTableAssociation",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
)
_NETWORK_KINDS = (
    "elastic-ip",
    "internet-gateway",
    "natgateway",
    "route-table",
    "security-group",
    "security-group-rule",
    "subnet",
    "vpc",
    "vpc-endpoint",
    "vpc-flow-log",
)
_LOOK_UPS = (
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "ec2:DescribeAddresses",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeFlowLogs",
    "ec2:DescribeInternetGateways",
    "ec2:DescribeNatGateways",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeTags",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeVpcs",
    "kms:ListAliases",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
)
_ROLES = (
    "iam:DeleteRole",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
)
_POLICIES = (
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:ListEntitiesForPolicy",
    "iam:ListPolicyVersions",
    "iam:TagPolicy",
    "iam:UntagPolicy",
)
_FUNCTIONS = (
    "lambda:CreateFunction",
    "lambda:DeleteFunction",
    "lambda:DeleteFunctionConcurrency",
    "lambda:GetFunction",
    "lambda:GetFunctionCodeSigningConfig",
    "lambda:GetFunctionRecursionConfig",
    "lambda:GetRuntimeManagementConfig",
    "lambda:InvokeFunction",
    "lambda:PutFunctionConcurrency",
    "lambda:TagResource",
    "lambda:UntagResource",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
)
_STATE_MACHINES = (
    "states:CreateStateMachine",
    "states:DeleteStateMachine",
    "states:DescribeStateMachine",
    "states:ListTagsForResource",
    "states:TagResource",
    "states:UntagResource",
    "states:UpdateStateMachine",
)
_TOPICS = (
    "sns:CreateTopic",
    "sns:DeleteTopic",
    "sns:GetDataProtectionPolicy",
    "sns:GetSubscriptionAttributes",
    "sns:GetTopicAttributes",
    "sns:ListSubscriptionsByTopic",
    "sns:ListTagsForResource",
    "sns:SetSubscriptionAttributes",
    "sns:SetTopicAttributes",
    "sns:Subscribe",
    "sns:TagResource",
    "sns:Unsubscribe",
    "sns:UntagResource",
)
_PROJECTS = (
    "codebuild:BatchGetProjects",
    "codebuild:CreateProject",
    "codebuild:DeleteProject",
    "codebuild:UpdateProject",
)
_ALARMS = (
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:ListTagsForResource",
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:TagResource",
    "cloudwatch:UntagResource",
)
_SCALING = (
    "application-autoscaling:DeleteScalingPolicy",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:ListTagsForResource",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:TagResource",
    "application-autoscaling:UntagResource",
)
_SERVING = (
    "sagemaker:AddTags",
    "sagemaker:CreateEndpoint",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:CreateModel",
    "sagemaker:CreateModelPackageGroup",
    "sagemaker:DeleteEndpoint",
    "sagemaker:DeleteEndpointConfig",
    "sagemaker:DeleteModel",
    "sagemaker:DeleteModelPackageGroup",
    "sagemaker:DeleteTags",
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
    "sagemaker:DescribeModelPackage",
    "sagemaker:DescribeModelPackageGroup",
    "sagemaker:GetModelPackageGroupPolicy",
    "sagemaker:ListTags",
    "sagemaker:UpdateEndpoint",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
)
_PREFIXES = (
    "The resources of this environment's stacks: CloudFormation makes their names from the stacks', which begin with "
    "the environment's, or from ids that only exist afterwards."
)


def deploy_storage(scope: Construct, environment: str) -> list[Permission]:
    """Buckets, keys, log groups, repositories and parameters. Keys only when they carry the environment's tag."""
    arn, place = _here(scope)
    tag = {"StringEquals": {"aws:ResourceTag/hf-sagemaker:environment": environment}}
    new = {"StringEquals": {"aws:RequestTag/hf-sagemaker:environment": environment}}
    return [
        allow(_BUCKETS, f"{arn}:s3:::{environment}-*", why_wildcards=_PREFIXES),
        allow(["kms:CreateKey"], "*", conditions=new, why_wildcards="kms:CreateKey knows no resource type."),
        allow(_KEYS, f"{arn}:kms:{place}:key/*", conditions=tag, why_wildcards=_PREFIXES),
        allow(
            ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"],
            f"{arn}:kms:{place}:alias/{environment}-*",
            why_wildcards=_PREFIXES,
        ),
        allow(_LOG_GROUPS, f"{arn}:logs:{place}:log-group:{environment}-*", why_wildcards=_PREFIXES),
        allow(_REPOSITORIES, f"{arn}:ecr:{place}:repository/hf-sagemaker/{environment}/*", why_wildcards=_PREFIXES),
        allow(_PARAMETERS, f"{arn}:ssm:{place}:parameter/hf-sagemaker/{environment}/*", why_wildcards=_PREFIXES),
        allow(["ssm:GetParameters"], f"{arn}:ssm:{place}:parameter/cdk-bootstrap/*", why_wildcards=_PREFIXES),
        allow(
            ["s3:GetObject", "s3:GetObjectVersion"],
            f"{arn}:s3:::cdk-*-assets-{place.split(':')[1]}-{place.split(':')[0]}/*",
            why_wildcards="The code of functions, which the CDK uploads under its hash.",
        ),
    ]


def deploy_network(scope: Construct) -> list[Permission]:
    """VPC, subnets, endpoints, security groups, flow logs, and what has to be looked up."""
    arn, place = _here(scope)
    return [
        allow(_NETWORK, *(f"{arn}:ec2:{place}:{kind}/*" for kind in _NETWORK_KINDS), why_wildcards=_PREFIXES),
        allow(
            # The private names of interface endpoints lie in hosted zones of AWS.
            ["route53:AssociateVPCWithHostedZone"],
            f"{arn}:route53:::hostedzone/*",
            why_wildcards="AWS owns the zones of its endpoints and chooses their ids.",
        ),
        allow(_LOOK_UPS, "*", why_wildcards="Look-ups and log delivery know no resource types."),
    ]


def deploy_roles(
    scope: Construct, environment: str, path: str, boundary_arn: str | None, services: tuple[str, ...]
) -> list[Permission]:
    """Roles and policies of the environment, none without its boundary, handed to these services only."""
    arn, place = _here(scope)
    account = place.split(":")[1]
    roles = [
        f"{arn}:iam::{account}:role{path}{environment}-*",
        f"{arn}:iam::{account}:role{path}sagemaker_execution_role",
    ]
    policies = f"{arn}:iam::{account}:policy{path}{environment}-*"
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary_arn}} if boundary_arn else None
    return [
        allow(
            ["iam:AttachRolePolicy", "iam:CreateRole", "iam:DetachRolePolicy", "iam:PutRolePermissionsBoundary"],
            *roles,
            conditions=bounded,
            why_wildcards=_PREFIXES,
        ),
        allow(_ROLES, *roles, why_wildcards=_PREFIXES),
        allow(_POLICIES, policies, why_wildcards=_PREFIXES),
        allow(
            ["iam:PassRole"],
            *roles,
            conditions={"StringEquals": {"iam:PassedToService": list(services)}},
            why_wildcards=_PREFIXES,
        ),
    ]


def deploy_work(scope: Construct, environment: str) -> list[Permission]:
    """Functions, state machines, topics, build projects, alarms, scaling, models and endpoints."""
    arn, place = _here(scope)
    return [
        allow(_FUNCTIONS, f"{arn}:lambda:{place}:function:{environment}-*", why_wildcards=_PREFIXES),
        allow(_STATE_MACHINES, f"{arn}:states:{place}:stateMachine:*", why_wildcards=_PREFIXES),
        allow(_TOPICS, f"{arn}:sns:{place}:{environment}-*", why_wildcards=_PREFIXES),
        allow(_PROJECTS, f"{arn}:codebuild:{place}:project/*", why_wildcards=_PREFIXES),
        allow(_ALARMS, f"{arn}:cloudwatch:{place}:alarm:*", why_wildcards=_PREFIXES),
        allow(_SCALING, f"{arn}:application-autoscaling:{place}:scalable-target/*", why_wildcards=_PREFIXES),
        allow(_SERVING, f"{arn}:sagemaker:{place}:*", why_wildcards=_PREFIXES),
    ]


def _here(scope: Construct) -> tuple[str, str]:
    stack = Stack.of(scope)
    return f"arn:{stack.partition}", f"{stack.region}:{stack.account}"


__all__ = ["deploy_network", "deploy_roles", "deploy_storage", "deploy_work"]
