"""What the stacks hold, as CloudFormation gets it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

ENVIRONMENTS = ["dev", "prod"]


def _resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: r for name, r in template["Resources"].items() if r["Type"] == kind}


def _statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        for policy in _resources(template, kind).values():
            yield from policy["Properties"]["PolicyDocument"]["Statement"]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_network_has_no_way_to_the_internet(templates: dict[str, Any], env: str) -> None:
    network = templates[f"{env}-Network"]
    for kind in ("AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::Route"):
        assert not _resources(network, kind)
    for subnet in _resources(network, "AWS::EC2::Subnet").values():
        assert subnet["Properties"]["MapPublicIpOnLaunch"] is False


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize(
    "service",
    ["sagemaker.api", "sagemaker.runtime", "ecr.api", "ecr.dkr", "logs", "sts", "kms", "states", "monitoring", "s3"],
)
def test_every_service_that_jobs_need_has_an_endpoint(templates: dict[str, Any], env: str, service: str) -> None:
    endpoints = _resources(templates[f"{env}-Network"], "AWS::EC2::VPCEndpoint").values()
    names = [json.dumps(endpoint["Properties"]["ServiceName"]) for endpoint in endpoints]
    assert any(re.search(rf"\.{re.escape(service)}\"", name) for name in names), names


def test_zones_are_those_of_the_settings(templates: dict[str, Any]) -> None:
    zones = {
        env: {
            s["Properties"]["AvailabilityZone"]
            for s in _resources(templates[f"{env}-Network"], "AWS::EC2::Subnet").values()
        }
        for env in ENVIRONMENTS
    }
    assert zones["dev"] == {"us-east-1a", "us-east-1b"}
    assert zones["prod"] == {"us-east-1a", "us-east-1b", "us-east-1c"}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_bucket_is_private_encrypted_versioned_and_logged(templates: dict[str, Any], env: str) -> None:
    buckets = _resources(templates[f"{env}-Data"], "AWS::S3::Bucket")
    logged = 0
    for bucket in buckets.values():
        properties = bucket["Properties"]
        (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert "Key" in json.dumps(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"])
        assert rule["BlockedEncryptionTypes"] == {"EncryptionType": ["SSE-C"]}
        assert rule["BucketKeyEnabled"] is True
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        logged += "DestinationBucketName" in properties.get("LoggingConfiguration", {})
    assert logged == len(buckets) - 1  # all but the one that receives the logs


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_bucket_refuses_requests_without_tls(templates: dict[str, Any], env: str) -> None:
    data = templates[f"{env}-Data"]
    refused = {
        policy["Properties"]["Bucket"]["Ref"]
        for policy in _resources(data, "AWS::S3::BucketPolicy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"].get("Bool") == {"aws:SecureTransport": "false"}
    }
    assert refused == set(_resources(data, "AWS::S3::Bucket"))


def test_checkpoints_are_deleted_after_a_month(template: Callable[[str], Template]) -> None:
    template("prod-Data").has_resource_properties(
        "AWS::S3::Bucket",
        {"LifecycleConfiguration": {"Rules": Match.array_with([Match.object_like({"ExpirationInDays": 30})])}},
    )


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_keys_rotate(templates: dict[str, Any], env: str) -> None:
    for stack in ("Network", "Data"):
        for key in _resources(templates[f"{env}-{stack}"], "AWS::KMS::Key").values():
            assert key["Properties"]["EnableKeyRotation"] is True


def test_prod_keeps_what_dev_may_destroy(templates: dict[str, Any]) -> None:
    for env, policy in (("dev", "Delete"), ("prod", "Retain")):
        for kind in ("AWS::S3::Bucket", "AWS::KMS::Key"):
            for resource in _resources(templates[f"{env}-Data"], kind).values():
                assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == policy


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_role_has_a_managed_policy_of_aws(templates: dict[str, Any], env: str) -> None:
    for name, template in templates.items():
        if name.startswith(env):
            for role in _resources(template, "AWS::IAM::Role").values():
                assert "iam::aws:policy" not in json.dumps(role["Properties"].get("ManagedPolicyArns", []))


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_action_that_is_allowed_holds_a_wildcard(templates: dict[str, Any], env: str) -> None:
    for name, template in templates.items():
        if name.startswith(env):
            # A denial that says more denies more.
            allowing = [s for s in _statements(template) if s["Effect"] == "Allow"]
            wild = [a for s in allowing for a in _as_list(s["Action"]) if "*" in a]
            assert not wild, name


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_services_assume_roles_for_this_account_only(templates: dict[str, Any], env: str) -> None:
    account = {"dev": "123456789012", "prod": "210987654321"}[env]
    roles = [r for t in templates.values() for r in _resources(t, "AWS::IAM::Role").values()]
    trusts = [r["Properties"]["AssumeRolePolicyDocument"]["Statement"] for r in roles]
    of_env = [s for (s,) in trusts if "Service" in s["Principal"] and account in json.dumps(s)]
    assert of_env
    for statement in of_env:
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == account


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_pass_role_names_one_role_and_one_service(templates: dict[str, Any], env: str) -> None:
    # The boundary and the deploying role's limits are those of a prefix: see the attacks in tests/compliance.
    workload = [t for name, t in templates.items() if not name.endswith("-Guardrails")]
    statements = [s for t in workload for s in _statements(t) if "iam:PassRole" in _as_list(s["Action"])]
    assert statements
    for statement in statements:
        assert "*" not in json.dumps(statement["Resource"])
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_repositories_are_encrypted_scanned_and_immutable(templates: dict[str, Any], env: str) -> None:
    repositories = _resources(templates[f"{env}-Images"], "AWS::ECR::Repository").values()
    assert {r["Properties"]["RepositoryName"] for r in repositories} == {
        f"hf-sagemaker/{env}/training",
        f"hf-sagemaker/{env}/inference",
    }
    for repository in repositories:
        properties = repository["Properties"]
        assert properties["EncryptionConfiguration"]["EncryptionType"] == "KMS"
        assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert properties["ImageTagMutability"] == "IMMUTABLE"


def test_build_projects_extend_the_catalogued_image(templates: dict[str, Any]) -> None:
    bases = set()
    for project in _resources(templates["dev-Images"], "AWS::CodeBuild::Project").values():
        variables = {v["Name"]: v["Value"] for v in project["Properties"]["Environment"]["EnvironmentVariables"]}
        bases.add(variables["BASE_IMAGE"])
    registry = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
    assert bases == {
        f"{registry}/huggingface-pytorch-training:2.8.0-transformers4.56.2-gpu-py312-cu129-ubuntu22.04",
        f"{registry}/huggingface-pytorch-inference:2.6.0-transformers4.51.3-gpu-py312-cu124-ubuntu22.04",
    }


def test_an_endpoint_without_a_model_is_not_deployed(templates: dict[str, Any]) -> None:
    # prod's settings name no model yet
    assert not [name for name in templates if name.startswith("prod-Endpoint")]


def test_an_endpoint_serves_the_model_of_its_settings(template: Callable[[str], Template], model_package: str) -> None:
    template("dev-EndpointSentiment").has_resource_properties(
        "AWS::SageMaker::Model",
        {"PrimaryContainer": {"ModelPackageName": model_package}, "EnableNetworkIsolation": True},
    )
    template("dev-EndpointSentiment").has_resource_properties(
        "AWS::SageMaker::Endpoint", {"EndpointName": "dev-sentiment", "RetainAllVariantProperties": True}
    )


def test_an_endpoint_scales_on_the_ten_second_metric(template: Callable[[str], Template]) -> None:
    (registered,) = template("dev-EndpointSentiment").find_resources("Custom::EndpointScaling").values()
    parts = registered["Properties"]["Document"]["Fn::Join"][1]
    (target,) = json.loads("".join(part if isinstance(part, str) else "stack" for part in parts))["Targets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
    assert target["ScalableDimension"] == "sagemaker:variant:DesiredInstanceCount"
    (policy,) = target["Policies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    }


@pytest.mark.parametrize("metric", ["Invocation4XXErrors", "Invocation5XXErrors", "ModelLatency"])
def test_an_endpoint_is_watched(template: Callable[[str], Template], metric: str) -> None:
    alarms = template("dev-EndpointSentiment").find_resources("AWS::CloudWatch::Alarm").values()
    (alarm,) = [each["Properties"] for each in alarms if f'"{metric}"' in json.dumps(each["Properties"])]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["AlarmActions"]


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_alarms_of_this_account_may_publish(templates: dict[str, Any], env: str) -> None:
    (policy,) = _resources(templates[f"{env}-Inference"], "AWS::SNS::TopicPolicy").values()
    allowed = [s for s in policy["Properties"]["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert [s["Principal"] for s in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert "aws:SourceAccount" in allowed[0]["Condition"]["StringEquals"]


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_operators_find_everything_in_parameters(templates: dict[str, Any], env: str) -> None:
    names = {
        p["Properties"]["Name"]
        for name, template in templates.items()
        if name.startswith(env)
        for p in _resources(template, "AWS::SSM::Parameter").values()
    }
    for path in (
        "data/data-bucket",
        "data/models-bucket",
        "data/checkpoints-bucket",
        "data/data-key-arn",
        "data/models-key-arn",
        "roles/training-arn",
        "roles/deploying-arn",
        "guardrails/deploying-policy-arns",
        "images/training/project",
        "images/training/uri",
        "images/training/base",
        "images/inference/uri",
        "training/text-classification/state-machine-arn",
        "training/text-classification/model-package-group",
        "training/text-classification/image",
        "training/text-classification/inference-image",
    ):
        assert f"/hf-sagemaker/{env}/{path}" in names


def test_stacks_do_not_lock_each_other(templates: dict[str, Any]) -> None:
    # An export in use cannot be changed; weak references and parameters can.
    for name, template in templates.items():
        assert "Fn::ImportValue" not in json.dumps(template), name
        assert not [o for o in template.get("Outputs", {}).values() if "Export" in o], name


def test_no_template_holds_a_token(templates: dict[str, Any]) -> None:
    assert not re.search(r"hf_[A-Za-z0-9]{20,}", json.dumps(templates))


def test_no_immutable_resource_is_named(templates: dict[str, Any]) -> None:
    # A fixed name would make every replacement fail: "already exists".
    for template in templates.values():
        for kind, name in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
            for resource in _resources(template, f"AWS::SageMaker::{kind}").values():
                assert name not in resource["Properties"]
