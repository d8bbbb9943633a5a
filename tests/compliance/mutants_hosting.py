"""Mutants of controls 38 to 52."""

from typing import Any

from tests.compliance.mutant import Mutant, Stacks, add, first

MODEL = "AWS::SageMaker::Model"
CONFIG = "AWS::SageMaker::EndpointConfig"
ENDPOINT = "AWS::SageMaker::Endpoint"


def _container_with_a_network(stacks: Stacks) -> None:
    first(stacks, MODEL)["Properties"]["EnableNetworkIsolation"] = False


def _one_subnet(stacks: Stacks) -> None:
    placement = first(stacks, MODEL)["Properties"]["VpcConfig"]
    placement["Subnets"] = placement["Subnets"][:1]


def _key_for_local_storage(stacks: Stacks) -> None:
    key = "arn:aws:kms:us-east-1:210987654321:key/11111111-2222-3333-4444-555555555555"
    first(stacks, CONFIG)["Properties"]["KmsKeyId"] = key


def _one_instance(stacks: Stacks) -> None:
    _variant(stacks)["InitialInstanceCount"] = 1


def _another_model(stacks: Stacks) -> None:
    container = {"Image": "210987654321.dkr.ecr.us-east-1.amazonaws.com/mine:1"}
    add(stacks, "AnotherModel", MODEL, {"PrimaryContainer": container}, stack="EndpointSentiment")


def _no_scaling_policy(stacks: Stacks) -> None:
    text = first(stacks, "Custom::EndpointScaling")["Properties"]["Document"]["Fn::Join"][1]
    text[:] = [part.replace("ScaleInCooldown", "Cooldown") if isinstance(part, str) else part for part in text]


def _all_at_once(stacks: Stacks) -> None:
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    first(stacks, ENDPOINT)["Properties"]["DeploymentConfig"] = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}
    }


def _resets_its_scale(stacks: Stacks) -> None:
    first(stacks, ENDPOINT)["Properties"].pop("RetainAllVariantProperties")


def _named_configuration(stacks: Stacks) -> None:
    first(stacks, CONFIG)["Properties"]["EndpointConfigName"] = "sentiment"


def _latest(stacks: Stacks) -> None:
    _build_variable(stacks, "BASE_IMAGE")["Value"] = (
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:latest"
    )


def _foreign_registry(stacks: Stacks) -> None:
    # A published tag, and so one that does not move, in the registry of somebody else.
    variable = _build_variable(stacks, "BASE_IMAGE")
    variable["Value"] = variable["Value"].replace("763104351884", "999999999999")


def _code_of_the_hub(stacks: Stacks) -> None:
    container = {"Image": "1", "Environment": {"HF_HUB_OFFLINE": "1", "HF_TRUST_REMOTE_CODE": "true"}}
    first(stacks, MODEL)["Properties"]["PrimaryContainer"] = container


def _token(stacks: Stacks) -> None:
    # Made of parts, so that no scanner takes this file for a leak.
    _build_variable(stacks, "IMAGE_TAG")["Value"] = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567"


def _unknown_type(stacks: Stacks) -> None:
    _variant(stacks)["InstanceType"] = "ml.g4dn.3xlarge"


def _capture_without_a_key(stacks: Stacks) -> None:
    first(stacks, CONFIG)["Properties"]["DataCaptureConfig"] = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://somewhere-else/",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    }


def _variant(stacks: Stacks) -> dict[str, Any]:
    variant: dict[str, Any] = first(stacks, CONFIG)["Properties"]["ProductionVariants"][0]
    return variant


def _build_variable(stacks: Stacks, name: str) -> dict[str, Any]:
    project = first(stacks, "AWS::CodeBuild::Project", "TrainingImage")["Properties"]
    return next(v for v in project["Environment"]["EnvironmentVariables"] if v["Name"] == name)


MUTANTS: dict[int, Mutant] = {
    38: _container_with_a_network,
    39: _one_subnet,
    40: _key_for_local_storage,
    41: _one_instance,
    42: _another_model,
    43: _no_scaling_policy,
    44: _all_at_once,
    45: _resets_its_scale,
    46: _named_configuration,
    47: _latest,
    48: _foreign_registry,
    49: _code_of_the_hub,
    50: _token,
    51: _unknown_type,
    52: _capture_without_a_key,
}
