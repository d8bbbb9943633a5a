"""Types of SageMaker: created, changed, deleted."""

from typing import Any

from tests.local.resource_case import ACCOUNT, ROLE_ARN, Case, Clients, Properties, role


def variant(count: int) -> Properties:
    model = {"Fn::GetAtt": ["Model", "ModelName"]}
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": "ml.g4dn.xlarge",
        "InitialInstanceCount": count,
        "InitialVariantWeight": 1,
    }


def configuration_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("sagemaker").describe_endpoint_config(EndpointConfigName=outputs["EndpointConfigName"])
    return found["ProductionVariants"][0]["InitialInstanceCount"]


MODEL = {
    "Type": "AWS::SageMaker::Model",
    "Properties": {
        "ExecutionRoleArn": ROLE_ARN,
        "PrimaryContainer": {"Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/inference:1"},
    },
}


def model(environment: str) -> Properties:
    return {
        "ExecutionRoleArn": ROLE_ARN,
        "PrimaryContainer": {
            "Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/inference:1",
            "Environment": {"HF_TASK": environment},
        },
        "EnableNetworkIsolation": True,
    }


CASES = [
    Case(
        "AWS::SageMaker::ModelPackageGroup",
        {"ModelPackageGroupName": "case-models", "ModelPackageGroupDescription": "one"},
        {"ModelPackageGroupName": "case-models-2", "ModelPackageGroupDescription": "two"},
        lambda api, outputs: api("sagemaker").describe_model_package_group(
            ModelPackageGroupName=outputs["ModelPackageGroupArn"].rsplit("/", 1)[-1]
        )["ModelPackageGroupDescription"],
        "one",
        "two",
        attributes=("ModelPackageGroupArn",),
        replaced=True,
    ),
    Case(
        "AWS::SageMaker::Model",
        model("text-classification"),
        model("fill-mask"),
        lambda api, outputs: api("sagemaker").describe_model(ModelName=outputs["ModelName"])["PrimaryContainer"][
            "Environment"
        ]["HF_TASK"],
        "text-classification",
        "fill-mask",
        {"Role": role("sagemaker.amazonaws.com")},
        ("ModelName",),
        replaced=True,
    ),
    Case(
        "AWS::SageMaker::EndpointConfig",
        {"ProductionVariants": [variant(1)]},
        {"ProductionVariants": [variant(2)]},
        configuration_state,
        1,
        2,
        {"Role": role("sagemaker.amazonaws.com"), "Model": MODEL},
        ("EndpointConfigName",),
        replaced=True,
    ),
]
