"""Controls 38 to 52, where the mutants do not reach."""

import json
from typing import Any

import pytest

from tests.compliance.small_templates import ACCOUNT, KEY, Resources, problems, resource

DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference"
TAG = "2.6.0-transformers4.51.3-gpu-py312-cu124-ubuntu22.04"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def _model(**properties: Any) -> Resources:
    return {"Model": resource("SageMaker::Model", **properties)}


def _config(*types: str, **properties: Any) -> Resources:
    variants = [{"InstanceType": name, "VariantName": name, "ModelName": "m"} for name in types]
    return {"Config": resource("SageMaker::EndpointConfig", ProductionVariants=variants, **properties)}


def _container(**container: Any) -> Resources:
    return _model(PrimaryContainer=container)


def test_an_endpoint_serves_models_of_these_templates_only() -> None:
    assert "no model of this environment" in problems(38, _config("ml.m5.xlarge"))[0]


# --- 39: placement ---


def _placed(subnets: list[Any], groups: list[Any]) -> Resources:
    return _model(VpcConfig={"Subnets": subnets, "SecurityGroupIds": groups})


def test_subnets_of_a_team_are_taken_as_they_are() -> None:
    assert problems(39, _placed(["subnet-1", "subnet-2"], ["sg-1"])) == []


@pytest.mark.parametrize(
    ("subnets", "groups", "word"),
    [
        (["subnet-1", "subnet-1"], ["sg-1"], "two zones"),
        (["subnet-1", "subnet-2"], [], "security group"),
        (["subnet-1", "vpc-2"], ["sg-1"], "no subnet"),
        ([{"Ref": "A"}, {"Ref": "B"}], ["sg-1"], "two zones"),
        ([{"Ref": "A"}, {"Ref": "Public"}], ["sg-1"], "reached from outside"),
        ([{"Ref": "A"}, {"Ref": "Routed"}], ["sg-1"], "reached from outside"),
    ],
)
def test_subnets_of_ours_are_private_and_in_two_zones(subnets: list[Any], groups: list[Any], word: str) -> None:
    # Given two subnets in one zone, one that hands out addresses, and one with a route to the internet
    routes = {
        "Gateway": resource("EC2::InternetGateway"),
        "Table": resource("EC2::RouteTable"),
        "Out": resource("EC2::Route", RouteTableId={"Ref": "Table"}, GatewayId={"Ref": "Gateway"}),
        "Link": resource("EC2::SubnetRouteTableAssociation", SubnetId={"Ref": "Routed"}, RouteTableId={"Ref": "Table"}),
    }
    network = {
        "A": resource("EC2::Subnet", AvailabilityZone="us-east-1a"),
        "B": resource("EC2::Subnet", AvailabilityZone="us-east-1a"),
        "Public": resource("EC2::Subnet", AvailabilityZone="us-east-1b", MapPublicIpOnLaunch=True),
        "Routed": resource("EC2::Subnet", AvailabilityZone="us-east-1b"),
    }
    # Then a model in them is refused
    assert word in problems(39, _placed(subnets, groups) | network | routes)[0]


# --- 40: volume keys ---


@pytest.mark.parametrize(
    ("types", "key", "word"),
    [
        (["ml.m5.xlarge"], KEY, None),
        (["ml.g5.xlarge"], None, None),
        (["ml.m5.xlarge"], None, "must be a customer managed key"),
        (["ml.m5.xlarge"], "alias/aws/sagemaker", "must be a customer managed key"),
        (["ml.g5.xlarge"], KEY, "refuse a volume key"),
        (["ml.g5.xlarge", "ml.m5.xlarge"], KEY, "part them"),
    ],
)
def test_a_volume_key_is_there_where_it_can_be(types: list[str], key: str | None, word: str | None) -> None:
    found = problems(40, _config(*types, **({"KmsKeyId": key} if key else {})))
    assert (word in found[0]) if word else found == []


def test_one_instance_is_enough_outside_prod() -> None:
    assert problems(41, _config("ml.m5.xlarge")) == []
    assert problems(41, _config("ml.m5.xlarge"), protected=True)


@pytest.mark.parametrize(("mode", "refused"), [("Vpc", False), ("Platform", True), (None, True)])
def test_a_registry_in_the_vpc_satisfies_42(mode: str | None, refused: bool) -> None:
    container = {"Image": "registry.example/image:1"} | (
        {"ImageConfig": {"RepositoryAccessMode": mode}} if mode else {}
    )
    assert bool(problems(42, _container(**container))) is refused


# --- 43: scaling ---


def _scaled(least: int, most: int, variant: str = "All", **policy: Any) -> Resources:
    return {
        "Config": resource("SageMaker::EndpointConfig", ProductionVariants=[{"VariantName": "All"}]),
        "Endpoint": resource(
            "SageMaker::Endpoint", EndpointConfigName={"Fn::GetAtt": ["Config", "EndpointConfigName"]}
        ),
        "Target": resource(
            "ApplicationAutoScaling::ScalableTarget",
            MinCapacity=least,
            MaxCapacity=most,
            ResourceId={"Fn::Sub": f"endpoint/${{Endpoint.EndpointName}}/variant/{variant}"},
        ),
        "Policy": resource(
            "ApplicationAutoScaling::ScalingPolicy",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId={"Ref": "Target"},
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 5,
                "ScaleInCooldown": 300,
                "ScaleOutCooldown": 60,
            }
            | policy,
        ),
    }


def test_scaling_between_limits_is_accepted() -> None:
    assert problems(43, _scaled(1, 2)) == []
    assert problems(43, _scaled(2, 3), protected=True) == []


@pytest.mark.parametrize(
    ("scaled", "protected", "word"),
    [
        (_scaled(1, 4), True, "must be 2 in prod"),
        (_scaled(2, 2), False, "more than MinCapacity"),
        (_scaled(0, 2), False, "cannot leave zero"),
        (_scaled(1, 2, variant="Other"), False, "no scalable target"),
        (_scaled(1, 2, TargetValue=0), False, "TargetValue"),
        (_scaled(1, 2) | {"Policy": resource("SNS::Topic")}, False, "TargetTrackingScaling"),
    ],
)
def test_scaling_that_does_not_scale_is_refused(scaled: Resources, protected: bool, word: str) -> None:
    assert word in problems(43, scaled, protected=protected)[0]


def _registered(least: int, most: int, **target: Any) -> Resources:
    """By our function, as the construct declares it."""
    policy = {"TargetValue": 5, "ScaleInCooldown": 300, "ScaleOutCooldown": 60}
    said = {
        "ResourceId": "endpoint/dev-a/variant/All",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": least,
        "MaxCapacity": most,
        "Policies": [
            {
                "PolicyName": "Target",
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": policy,
            }
        ],
    } | target
    before, after = json.dumps({"Stack": "|", "Targets": [said]}).split("|")
    scaled = _scaled(least, most)
    scaled["Endpoint"]["Properties"]["EndpointName"] = "dev-a"
    document = {"Fn::Join": ["", [before, {"Ref": "AWS::StackId"}, after]]}
    registration = {"Type": "Custom::EndpointScaling", "Properties": {"Document": document}}
    return {"Config": scaled["Config"], "Endpoint": scaled["Endpoint"], "Registration": registration}


def test_scaling_that_a_function_registers_is_accepted() -> None:
    assert problems(43, _registered(1, 2)) == []
    assert problems(43, _registered(2, 3), protected=True) == []


@pytest.mark.parametrize(
    ("registered", "protected", "word"),
    [
        (_registered(1, 4), True, "must be 2 in prod"),
        (_registered(2, 2), False, "more than MinCapacity"),
        (_registered(0, 2), False, "cannot leave zero"),
        (_registered(1, 2, ResourceId="endpoint/dev-a/variant/Other"), False, "no scalable target"),
        (_registered(1, 2, Policies=[]), False, "TargetTrackingScaling"),
    ],
)
def test_a_registration_that_does_not_scale_is_refused(registered: Resources, protected: bool, word: str) -> None:
    assert word in problems(43, registered, protected=protected)[0]


# --- 44: deployments, 52: data capture, which come later ---


def _deployed(metrics: list[str], kind: str = "CANARY") -> Resources:
    alarms = {f"Alarm{i}": resource("CloudWatch::Alarm", MetricName=name) for i, name in enumerate(metrics)}
    deployment = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": 300}},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": {"Ref": name}} for name in alarms]},
    }
    return {"Endpoint": resource("SageMaker::Endpoint", DeploymentConfig=deployment), **alarms}


def test_updates_that_come_back_by_themselves_are_accepted() -> None:
    assert problems(44, _deployed(["Invocation5XXErrors", "ModelLatency"])) == []


def test_updates_need_both_alarms_and_steps() -> None:
    assert "ModelLatency" in problems(44, _deployed(["Invocation5XXErrors"]))[0]
    whole = _deployed(["Invocation5XXErrors", "ModelLatency"], "ALL_AT_ONCE")
    assert "CANARY or LINEAR" in problems(44, whole, protected=True)[0]
    assert problems(44, whole) == []  # where people try things


def test_once_one_endpoint_rolls_back_each_has_to() -> None:
    both = _deployed(["Invocation5XXErrors", "ModelLatency"]) | {"Second": resource("SageMaker::Endpoint")}
    assert len(problems(44, both)) == 1


def test_captured_data_goes_to_our_bucket_with_our_key() -> None:
    capture = {
        "EnableCapture": True,
        "DestinationS3Uri": {"Fn::Sub": "s3://${Bucket}/capture"},
        "KmsKeyId": KEY,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    bucket = {"Bucket": resource("S3::Bucket")}
    assert problems(52, _config("ml.m5.xlarge", DataCaptureConfig=capture) | bucket, protected=True) == []
    half = capture | {"CaptureOptions": [{"CaptureMode": "Input"}]}
    assert "Input and Output" in problems(52, _config("ml.m5.xlarge", DataCaptureConfig=half) | bucket)[0]


def test_an_update_that_excludes_the_count_resets_it() -> None:
    excluded = [{"VariantPropertyType": "DesiredInstanceCount"}]
    endpoint = resource(
        "SageMaker::Endpoint", RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluded
    )
    assert "DesiredInstanceCount" in problems(45, {"Endpoint": endpoint})[0]


# --- 47 to 50: containers ---


@pytest.mark.parametrize(
    ("image", "holds"),
    [
        (f"{DLC}:{TAG}", True),
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/mine@{DIGEST}", True),
        (f"{DLC}:2.6.0", False),
        (f"{DLC}:latest", False),
        (DLC, False),
        ("docker.io/library/python:3.12", False),
        ({"Fn::Sub": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/${{Fixed}}:abc"}, True),
        ({"Fn::Sub": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/${{Fixed}}:latest"}, False),
        ({"Fn::Sub": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/${{Moving}}:abc"}, False),
        ({"Fn::Sub": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/${{Moving}}@{DIGEST}"}, True),
        (None, False),
    ],
)
def test_images_are_pinned(image: Any, holds: bool) -> None:
    repositories = {
        "Fixed": resource("ECR::Repository", ImageTagMutability="IMMUTABLE"),
        "Moving": resource("ECR::Repository", ImageTagMutability="MUTABLE"),
    }
    assert (problems(47, _container(Image=image) | repositories) == []) is holds


@pytest.mark.parametrize(
    ("image", "holds"),
    [
        (f"{DLC}:{TAG}", True),
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/mine:1", True),
        ("999999999999.dkr.ecr.us-east-1.amazonaws.com/mine:1", False),
        ("public.ecr.aws/docker/library/python:3.12", False),
    ],
)
def test_registries_are_known(image: str, holds: bool) -> None:
    assert (problems(48, _container(Image=image)) == []) is holds


@pytest.mark.parametrize(
    ("repository", "end", "holds"),
    [
        ("mine", f"@{DIGEST}", True),
        ("mine", "@sha256:*", True),
        ("mine", ":1", False),
        ("another", f"@{DIGEST}", False),
    ],
)
def test_what_is_promoted_is_known_by_its_rules_and_its_digest(repository: str, end: str, holds: bool) -> None:
    rules = json.dumps({"account": "999999999999", "repository": "mine"})
    parameter = resource("SSM::Parameter", Name="/hf-sagemaker/dev/images/x/promotion-rules", Value=rules)
    image = f"999999999999.dkr.ecr.us-east-1.amazonaws.com/{repository}{end}"
    assert (problems(48, _container(Image=image) | {"Rules": parameter}) == []) is holds


def test_a_model_package_is_of_this_account() -> None:
    package = "arn:aws:sagemaker:us-east-1:{}:model-package/group/1"
    assert problems(48, _container(ModelPackageName=package.format(ACCOUNT))) == []
    assert problems(48, _container(ModelPackageName=package.format("999999999999")))


def test_a_functions_image_is_judged_too() -> None:
    function = resource("Lambda::Function", Code={"ImageUri": "docker.io/library/python:latest"})
    assert problems(47, {"Function": function})
    assert problems(48, {"Function": function})


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"HF_HUB_OFFLINE": "1"}, None),
        ({"HF_HUB_OFFLINE": "1", "HF_TRUST_REMOTE_CODE": "false"}, None),
        ({"HF_MODEL_ID": "org/model", "HF_MODEL_REVISION": "a" * 40}, None),
        ({"HF_HUB_OFFLINE": "1", "HF_MODEL_ID": "/opt/ml/model"}, None),
        ({}, "HF_HUB_OFFLINE"),
        ({"HF_HUB_OFFLINE": "0"}, "HF_HUB_OFFLINE"),
        ({"HF_MODEL_ID": "org/model", "HF_MODEL_REVISION": "main"}, "HF_MODEL_REVISION"),
        ({"HF_MODEL_ID": "org/model"}, "HF_MODEL_REVISION"),
        ({"HF_HUB_OFFLINE": "1", "TRUST_REMOTE_CODE": "True"}, "TRUST_REMOTE_CODE"),
        ({"HF_HUB_OFFLINE.$": "$.offline"}, "decided by the definition"),
    ],
)
def test_a_container_asks_no_hub(variables: dict[str, str], word: str | None) -> None:
    found = problems(49, _container(Image="i", Environment=variables))
    assert (word in found[0]) if word else found == []


def test_variables_over_those_of_a_package_ask_no_hub_either() -> None:
    # Given a container of a model package, whose own variables are the workflow's, then what is put over them counts
    assert problems(49, _container(ModelPackageName="package")) == []
    assert problems(49, _container(ModelPackageName="package", Environment={"HF_MODEL_ID": "org/model"}))
    assert problems(49, _container(ModelPackageName="package", Environment={"HF_HUB_OFFLINE": "1"})) == []


def test_a_token_is_found_wherever_it_is() -> None:
    # Made of parts, so that no scanner takes this file for a leak.
    token = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567"
    assert problems(50, _container(Image="i", Environment={"HF_TOKEN": token}))
    assert problems(50, {"Parameter": resource("SSM::Parameter", Value=f"token: {token}")})
    assert problems(50, _container(Image="i", Environment={"INDEX_URL": "https://me:" + "secret@index.example/simple"}))
    assert problems(50, _container(Image="i", Environment={"HF_TOKEN": {"Ref": "TokenSecret"}})) == []
