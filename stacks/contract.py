"""What an environment tells the outside: names in SSM parameters, the contract between stacks and operators' tools."""

from collections.abc import Mapping

from aws_cdk import aws_ssm as ssm
from constructs import Construct


def repository_name(environment: str, image: str) -> str:
    """The ECR repository of an image; roles may use it by this name before it exists."""
    return f"hf-sagemaker/{environment}/{image}"


def publish(scope: Construct, environment: str, values: Mapping[str, str]) -> None:
    """Writes `/hf-sagemaker/<environment>/<path>` for each value.

    values: path → value, for example `data/key-arn`. The path must hold no token: it makes the construct id.
    """
    for path, value in values.items():
        words = path.replace("/", "-").split("-")
        ssm.StringParameter(
            scope,
            "Contract" + "".join(word.capitalize() for word in words),
            parameter_name=f"/hf-sagemaker/{environment}/{path}",
            string_value=value,
        )
