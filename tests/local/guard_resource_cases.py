"""What a security team asks for, of types that hold data, run code or guard accounts: created, changed, deleted."""

import json
from typing import Any

from tests.local.data_resource_cases import BUCKET
from tests.local.resource_case import ACCOUNT, ROLE_ARN, Case, Clients, Properties, policy, role, trust
from tests.local.services_resource_cases import FUNCTION

TEAM_ACCOUNT = "999988887777"
TEAM_KEY = f"arn:aws:kms:us-east-1:{TEAM_ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
QUEUE = {"Type": "AWS::SQS::Queue"}
SECRET = {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "one"}}
BOUNDARY = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"Path": "/guard/", "PolicyDocument": policy("s3:Get*")}}


def bounded_role(boundary: Any) -> Properties:
    return {
        "AssumeRolePolicyDocument": trust("sagemaker.amazonaws.com"),
        "RoleName": "case-bounded",
        "Path": "/team/",
    } | ({"PermissionsBoundary": boundary} if boundary else {})


def boundary_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("iam").get_role(RoleName=outputs["Ref"])["Role"]
    boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    return found["Arn"].split(":")[5], boundary.split("/")[1] if boundary else None


def locked_bucket(days: int, *, blocked: str, prefix: str) -> Properties:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": TEAM_KEY}
    rule = {
        "ServerSideEncryptionByDefault": default,
        "BucketKeyEnabled": True,
        "BlockedEncryptionTypes": {"EncryptionType": [blocked]},
    }
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": days}}
    return {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [rule]},
        "VersioningConfiguration": {"Status": "Enabled"},
        "ObjectLockEnabled": True,
        "ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": retention},
        "ReplicationConfiguration": {
            "Role": ROLE_ARN,
            "Rules": [
                {
                    "Id": "copy",
                    "Priority": 3,
                    "Status": "Enabled",
                    "Filter": {"Prefix": prefix},
                    "DeleteMarkerReplication": {"Status": "Enabled"},
                    "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
                    "Destination": {
                        "Bucket": "arn:aws:s3:::team-copies",
                        "Account": TEAM_ACCOUNT,
                        "AccessControlTranslation": {"Owner": "Destination"},
                        "EncryptionConfiguration": {"ReplicaKmsKeyID": TEAM_KEY},
                    },
                }
            ],
        },
    }


def lock_state(api: Clients, outputs: dict[str, str]) -> Any:
    s3, name = api("s3"), outputs["Ref"]
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    lock = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    rule = s3.get_bucket_replication(Bucket=name)["ReplicationConfiguration"]["Rules"][0]
    assert encryption["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == TEAM_KEY
    assert rule["DeleteMarkerReplication"] == rule["SourceSelectionCriteria"]["SseKmsEncryptedObjects"]
    assert rule["Destination"]["EncryptionConfiguration"] == {"ReplicaKmsKeyID": TEAM_KEY}
    return (
        encryption["BlockedEncryptionTypes"]["EncryptionType"],
        lock["Rule"]["DefaultRetention"]["Days"],
        rule["Filter"],
        rule["ID"],
    )


def conditional(effect: str, *actions: str) -> Properties:
    elsewhere = {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}, "Bool": {"aws:ViaAWSService": "false"}}
    return policy(list(actions), Effect=effect, Principal="*", Condition=elsewhere)


def bucket_that_still_answers(api: Clients, outputs: dict[str, str]) -> Any:
    """The policy as it was put, and whether an object can be written under it."""
    api("s3").put_object(Bucket=outputs["Ref"], Key="object", Body=b"1")
    api("s3").delete_object(Bucket=outputs["Ref"], Key="object")
    return json.loads(api("s3").get_bucket_policy(Bucket=outputs["Ref"])["Policy"])["Statement"][0]


def guarded_key(principal: Any) -> Properties:
    statement = {"Effect": "Deny", "Action": "kms:*", "Resource": "*", "Principal": principal}
    unless = {"Condition": {"StringNotEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}}
    return {"KeyPolicy": {"Version": "2012-10-17", "Statement": [statement | unless]}}


def denied_principal(api: Clients, outputs: dict[str, str]) -> Any:
    if api("kms").describe_key(KeyId=outputs["Ref"])["KeyMetadata"]["KeyState"] == "PendingDeletion":
        return None
    document = json.loads(api("kms").get_key_policy(KeyId=outputs["Ref"], PolicyName="default")["Policy"])
    return document["Statement"][0]["Principal"]


def careful_function(reserved: int | None, **more: Any) -> Properties:
    return FUNCTION["Properties"] | ({} if reserved is None else {"ReservedConcurrentExecutions": reserved}) | more


def function_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("lambda").get_function(FunctionName=outputs["Ref"])
    configuration = found["Configuration"]
    return (
        found.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        configuration.get("DeadLetterConfig", {}).get("TargetArn", "").split(":")[2:3],
        configuration.get("KMSKeyArn", ""),
        configuration["TracingConfig"]["Mode"],
    )


def organizations_policy(name: str, *targets: str) -> Properties:
    return {
        "Name": name,
        "Type": "SERVICE_CONTROL_POLICY",
        "Content": policy("kms:ScheduleKeyDeletion", Effect="Deny"),
        "TargetIds": list(targets),
        "Tags": [{"Key": "colour", "Value": "red"}],
    }


def organizations_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("organizations").describe_policy(PolicyId=outputs["Ref"])["Policy"]
    targets = api("organizations").list_targets_for_policy(PolicyId=outputs["Ref"])["Targets"]
    denied = json.loads(found["Content"])["Statement"][0]["Action"]
    return found["PolicySummary"]["Name"], denied, sorted(target["TargetId"] for target in targets)


def secret_state(api: Clients, outputs: dict[str, str]) -> Any:
    described = api("secretsmanager").describe_secret(SecretId=outputs["Ref"])
    value = api("secretsmanager").get_secret_value(SecretId=outputs["Ref"])["SecretString"]
    return described.get("Description"), described.get("KmsKeyId"), value


def queue_state(api: Clients, outputs: dict[str, str]) -> Any:
    attributes = api("sqs").get_queue_attributes(QueueUrl=outputs["Ref"], AttributeNames=["All"])["Attributes"]
    return attributes["VisibilityTimeout"], attributes.get("KmsMasterKeyId") or None


def queue_policy(sid: str) -> Properties:
    arn = {"Fn::GetAtt": ["Queue", "Arn"]}
    return {"Queues": [{"Ref": "Queue"}], "PolicyDocument": policy("sqs:SendMessage", arn, Principal="*", Sid=sid)}


def queue_policy_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("sqs").get_queue_attributes(QueueUrl=outputs["OtherQueue"], AttributeNames=["Policy"])["Attributes"]
    return json.loads(found["Policy"])["Statement"][0]["Sid"] if found.get("Policy") else None


CASES = [
    Case(
        "AWS::IAM::Role",
        bounded_role({"Ref": "Boundary"}),
        bounded_role(None),
        boundary_state,
        ("role/team/case-bounded", "guard"),
        ("role/team/case-bounded", None),
        {"Boundary": BOUNDARY},
        ("Arn",),
    ),
    Case(
        "AWS::S3::Bucket",
        locked_bucket(1, blocked="SSE-C", prefix="a/"),
        locked_bucket(2, blocked="NONE", prefix="b/"),
        lock_state,
        (["SSE-C"], 1, {"Prefix": "a/"}, "copy"),
        (["NONE"], 2, {"Prefix": "b/"}, "copy"),
        {"Role": role("s3.amazonaws.com")},
    ),
    Case(
        "AWS::S3::BucketPolicy",
        {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": conditional("Deny", "s3:PutObject", "s3:GetObject")},
        {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": policy("s3:*", Effect="Deny", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/some"}),
        },
        bucket_that_still_answers,
        conditional("Deny", "s3:PutObject", "s3:GetObject")["Statement"][0],
        policy("s3:*", Effect="Deny", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/some"})["Statement"][0],
        {"Bucket": BUCKET},
    ),
    Case(
        "AWS::KMS::Key",
        guarded_key("*"),
        guarded_key({"AWS": "arn:aws:iam::123456789012:root"}),
        denied_principal,
        "*",
        {"AWS": "arn:aws:iam::123456789012:root"},
    ),
    Case(
        "AWS::Lambda::Function",
        careful_function(5, DeadLetterConfig={"TargetArn": {"Fn::GetAtt": ["Queue", "Arn"]}}, KmsKeyArn=TEAM_KEY),
        careful_function(None, TracingConfig={"Mode": "Active"}),
        function_state,
        (5, ["sqs"], TEAM_KEY, "PassThrough"),
        (None, [], "", "Active"),
        {"Role": role(), "Queue": QUEUE},
    ),
    Case(
        "AWS::Organizations::Policy",
        organizations_policy("case", "210987654321", TEAM_ACCOUNT),
        organizations_policy("case-2", TEAM_ACCOUNT),
        organizations_state,
        ("case", "kms:ScheduleKeyDeletion", ["210987654321", TEAM_ACCOUNT]),
        ("case-2", "kms:ScheduleKeyDeletion", [TEAM_ACCOUNT]),
        attributes=("Arn", "Id"),
    ),
    Case(
        "AWS::SecretsManager::Secret",
        {"Description": "one", "SecretString": "first", "KmsKeyId": TEAM_KEY},
        {"Description": "two", "SecretString": "second", "KmsKeyId": TEAM_KEY},
        secret_state,
        ("one", TEAM_KEY, "first"),
        ("two", TEAM_KEY, "second"),
        attributes=("Id",),
    ),
    Case(
        "AWS::SecretsManager::ResourcePolicy",
        {"SecretId": {"Ref": "Secret"}, "ResourcePolicy": policy("secretsmanager:Get*", Principal="*")},
        {"SecretId": {"Ref": "Secret"}, "ResourcePolicy": policy("secretsmanager:Put*", Principal="*")},
        lambda api, outputs: json.loads(
            api("secretsmanager").get_resource_policy(SecretId=outputs["Ref"])["ResourcePolicy"]
        )["Statement"][0]["Action"],
        "secretsmanager:Get*",
        "secretsmanager:Put*",
        {"Secret": SECRET},
    ),
    Case(
        "AWS::SQS::Queue",
        {"VisibilityTimeout": 60, "KmsMasterKeyId": TEAM_KEY},
        {"KmsMasterKeyId": TEAM_KEY},
        queue_state,
        ("60", TEAM_KEY),
        ("30", TEAM_KEY),
        attributes=("Arn", "QueueName", "QueueUrl"),
    ),
    Case(
        "AWS::SQS::QueuePolicy",
        queue_policy("One"),
        queue_policy("Two"),
        queue_policy_state,
        "One",
        "Two",
        {"Queue": QUEUE},
    ),
    Case(
        "AWS::SNS::Topic",
        {"KmsMasterKeyId": TEAM_KEY},
        {"KmsMasterKeyId": "alias/aws/sns"},
        lambda api, outputs: api("sns").get_topic_attributes(TopicArn=outputs["Ref"])["Attributes"]["KmsMasterKeyId"],
        TEAM_KEY,
        "alias/aws/sns",
    ),
    Case(
        "AWS::Logs::LogGroup",
        {"KmsKeyId": TEAM_KEY},
        {"RetentionInDays": 7},
        lambda api, outputs: [
            group.get("kmsKeyId")
            for group in api("logs").describe_log_groups(logGroupNamePrefix=outputs["Ref"])["logGroups"]
        ],
        [TEAM_KEY],
        [None],
        gone=[],
    ),
]
