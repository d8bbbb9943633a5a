"""Types that hold data, keys, images and permissions: created, changed, deleted."""

import json
from typing import Any

from tests.local.resource_case import ACCOUNT, Case, Clients, Properties, policy, role, trust

BUCKET = {"Type": "AWS::S3::Bucket"}


KEY = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy("kms:*", Principal={"AWS": "*"})}}


def key_state(api: Clients, outputs: dict[str, str]) -> Any:
    key = api("kms").describe_key(KeyId=outputs["Ref"])["KeyMetadata"]
    if key["KeyState"] == "PendingDeletion":
        return None
    rotation = api("kms").get_key_rotation_status(KeyId=outputs["Ref"])["KeyRotationEnabled"]
    document = json.loads(api("kms").get_key_policy(KeyId=outputs["Ref"], PolicyName="default")["Policy"])
    return key["Description"], rotation, document["Statement"][0]["Action"]


def bucket_state(api: Clients, outputs: dict[str, str]) -> Any:
    s3, name = api("s3"), outputs["Ref"]
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"][0]
    return (
        encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        s3.get_bucket_versioning(Bucket=name)["Status"],
        all(block.values()),
        lifecycle["Expiration"]["Days"],
        lifecycle["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"],
        s3.get_bucket_logging(Bucket=name)["LoggingEnabled"]["TargetPrefix"],
        s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
        {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=name)["TagSet"]},
    )


def bucket(days: int, prefix: str, colour: str) -> Properties:
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    return {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
        "VersioningConfiguration": {"Status": "Enabled"},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Status": "Enabled",
                    "ExpirationInDays": days,
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                }
            ]
        },
        "LoggingConfiguration": {"DestinationBucketName": {"Ref": "Logs"}, "LogFilePrefix": prefix},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "Tags": [{"Key": "colour", "Value": colour}],
        "InventoryConfigurations": [],
    }


def role_state(api: Clients, outputs: dict[str, str]) -> Any:
    iam, name = api("iam"), outputs["Ref"]
    found = iam.get_role(RoleName=name)["Role"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return (
        found.get("Description"),
        iam.list_role_policies(RoleName=name)["PolicyNames"],
        [each["PolicyName"] for each in attached],
    )


def managed_policy_state(api: Clients, outputs: dict[str, str]) -> Any:
    iam, arn = api("iam"), outputs["Ref"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    roles = iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]
    return document["Statement"][0]["Action"], len(roles)


CASES = [
    Case(
        "AWS::KMS::Key",
        {"Description": "one", "EnableKeyRotation": True, "KeyPolicy": policy("kms:*", Principal={"AWS": "*"})},
        {"Description": "two", "EnableKeyRotation": False, "KeyPolicy": policy("kms:Get*", Principal={"AWS": "*"})},
        key_state,
        ("one", True, "kms:*"),
        ("two", False, "kms:Get*"),
        attributes=("Arn", "KeyId"),
    ),
    Case(
        "AWS::KMS::Alias",
        {"AliasName": "alias/case", "TargetKeyId": {"Fn::GetAtt": ["Key", "Arn"]}},
        {"AliasName": "alias/case", "TargetKeyId": {"Ref": "Key2"}},
        lambda api, outputs: api("kms").describe_key(KeyId="alias/case")["KeyMetadata"]["KeyId"] == outputs["OtherKey"],
        True,
        False,
        {"Key": KEY, "Key2": KEY},
    ),
    Case(
        "AWS::S3::Bucket",
        bucket(30, "a/", "red"),
        bucket(60, "b/", "blue"),
        bucket_state,
        ("aws:kms", "Enabled", True, 30, 1, "a/", "BucketOwnerEnforced", {"colour": "red"}),
        ("aws:kms", "Enabled", True, 60, 1, "b/", "BucketOwnerEnforced", {"colour": "blue"}),
        # S3 writes to it while the case runs, so that it could not be deleted.
        {"Logs": BUCKET | {"DeletionPolicy": "Retain"}},
        ("Arn", "RegionalDomainName", "DomainName"),
    ),
    Case(
        "AWS::S3::BucketPolicy",
        {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy("s3:Get*", Principal={"AWS": ACCOUNT})},
        {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy("s3:Put*", Principal={"AWS": ACCOUNT})},
        lambda api, outputs: json.loads(api("s3").get_bucket_policy(Bucket=outputs["Ref"])["Policy"])["Statement"][0][
            "Action"
        ],
        "s3:Get*",
        "s3:Put*",
        {"Bucket": BUCKET},
    ),
    Case(
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com"),
            "Description": "one",
            "Policies": [{"PolicyName": "own", "PolicyDocument": policy("s3:GetObject")}],
            "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
        },
        {
            "AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com"),
            "Description": "two",
            "Policies": [{"PolicyName": "other", "PolicyDocument": policy("s3:GetObject")}],
        },
        role_state,
        ("one", ["own"], ["AWSLambdaBasicExecutionRole"]),
        ("two", ["other"], []),
        attributes=("Arn", "RoleId"),
    ),
    Case(
        "AWS::IAM::Policy",
        {"PolicyName": "case", "PolicyDocument": policy("s3:Get*"), "Roles": [{"Ref": "Role"}]},
        {"PolicyName": "case", "PolicyDocument": policy("s3:Put*"), "Roles": [{"Ref": "Role"}]},
        lambda api, outputs: api("iam").get_role_policy(RoleName=outputs["OtherRole"], PolicyName="case")[
            "PolicyDocument"
        ]["Statement"][0]["Action"],
        "s3:Get*",
        "s3:Put*",
        {"Role": role()},
    ),
    Case(
        "AWS::IAM::ManagedPolicy",
        {"PolicyDocument": policy("s3:Get*"), "Roles": [{"Ref": "Role"}]},
        {"PolicyDocument": policy("s3:Put*")},
        managed_policy_state,
        ("s3:Get*", 1),
        ("s3:Put*", 0),
        {"Role": role()},
    ),
    Case(
        "AWS::ECR::Repository",
        {"ImageTagMutability": "MUTABLE", "ImageScanningConfiguration": {"ScanOnPush": True}},
        {"ImageTagMutability": "IMMUTABLE", "ImageScanningConfiguration": {"ScanOnPush": True}},
        lambda api, outputs: api("ecr").describe_repositories(repositoryNames=[outputs["Ref"]])["repositories"][0][
            "imageTagMutability"
        ],
        "MUTABLE",
        "IMMUTABLE",
        attributes=("Arn", "RepositoryUri"),
    ),
    Case(
        "AWS::SSM::Parameter",
        {"Name": "/case/parameter", "Type": "String", "Value": "one"},
        {"Name": "/case/parameter", "Type": "String", "Value": "two", "Tags": {"colour": "red"}},
        lambda api, outputs: api("ssm").get_parameter(Name=outputs["Ref"])["Parameter"]["Value"],
        "one",
        "two",
        attributes=("Value", "Type"),
    ),
    Case(
        "AWS::Logs::LogGroup",
        {"RetentionInDays": 7},
        {"RetentionInDays": "30"},
        lambda api, outputs: [
            group["retentionInDays"]
            for group in api("logs").describe_log_groups(logGroupNamePrefix=outputs["Ref"])["logGroups"]
        ],
        [7],
        [30],
        attributes=("Arn",),
        gone=[],
    ),
]
