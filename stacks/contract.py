"""What an environment tells the outside: names in SSM parameters, the contract between stacks and operators' tools."""

from collections.abc import Mapping

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hf_sagemaker.execution_roles import ASYNCHRONOUS_PREFIX
from stacks.settings import EnvironmentSettings

ENDPOINT = "Endpoint"
"""With which the ids of endpoints' stacks begin, and of no others."""


def repository_name(environment: str, image: str) -> str:
    """The ECR repository of an image; roles may use it by this name before it exists."""
    return f"hf-sagemaker/{environment}/{image}"


def promoted_repositories(settings: EnvironmentSettings, purpose: str | None = None) -> list[tuple[str, str]]:
    """Account and name of the repositories of other environments whose images run in this one.

    purpose: of the images. Omitted: any.
    """
    return [
        (source.account, repository_name(source.environment, image.name))
        for image in settings.images
        if (source := image.promoted_from) and purpose in (None, image.base.purpose)
    ]


def parameter_path(environment: str, path: str) -> str:
    """The full name of a parameter of an environment, or of those below a path."""
    return f"/hf-sagemaker/{environment}/{path}"


def approved_parameter(environment: str, job_type: str) -> str:
    """The parameter that says which version of a job type's models is to be served, by its number."""
    return parameter_path(environment, f"models/{job_type}/approved")


def asynchronous_prefix(expires_days: int) -> str:
    """Of requests and answers of asynchronous endpoints that stay that long, in the data bucket."""
    return f"{ASYNCHRONOUS_PREFIX}{expires_days}-days/"


def followers(job_type: str) -> str:
    """The path below which the stacks of endpoints that follow a job type are named."""
    return f"models/{job_type}/endpoints"


def publish(scope: Construct, environment: str, values: Mapping[str, str]) -> None:
    """Writes `/hf-sagemaker/<environment>/<path>` for each value.

    values: path → value, for example `data/key-arn`. The path must hold no token: it makes the construct id.
    """
    for path, value in values.items():
        words = path.replace("/", "-").split("-")
        # L1: there are dozens, and the L2 makes two constructs of each.
        ssm.CfnParameter(
            scope,
            "Contract" + "".join(word.capitalize() for word in words),
            name=parameter_path(environment, path),
            type="String",
            value=value,
        )
