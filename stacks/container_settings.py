"""What an endpoint's container is told by variables. Never imports aws_cdk, see stacks/settings.py."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from hf_sagemaker.compatibility import isolation_problems, variable_problems
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.controls.secret_settings import is_secret_setting
from hf_sagemaker.instance_types import InstanceType

_LOCAL_MODEL = "/opt/ml/model"
_SECRET = "HF_TOKEN_SECRET_ARN"
_NO_SECRETS = (
    "must be left out: the role of endpoints may read no secret. A gated model is mirrored, with its token in Secrets "
    "Manager (hub.token_secret_arn)"
)
_NAME_THEIR_MODEL = ("tei", "tgi")
"""Servers that end at once without HF_MODEL_ID. The others look where SageMaker puts the model."""


def _without_secrets(value: dict[str, str]) -> dict[str, str]:
    if secret := [name for name, text in value.items() if is_secret_setting(name, text)]:
        raise ValueError(
            f"must not hold {', '.join(secret)}: whoever may describe the endpoint reads its variables. A gated model "
            "is mirrored, with its token in Secrets Manager (hub.token_secret_arn)"
        )
    return value


Environment = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,1023}$")],
        Annotated[str, Field(max_length=1024, description="text; numbers and booleans in quotation marks")],
    ],
    AfterValidator(_without_secrets),
    Field(max_length=100),
]
"""Variables of a container, name to value. SageMaker takes 100."""


def container_environment(image: ContainerImage, given: Mapping[str, str]) -> dict[str, str]:
    """What the container gets besides what its model package says: what was given, and what its server needs with it.

    Empty when nothing was given and nothing is needed.
    """
    needed = {"HF_MODEL_ID": _LOCAL_MODEL} if image.product in _NAME_THEIR_MODEL else {}
    variables = {**needed, **given}
    if variables and variables.get("HF_MODEL_ID", "/").startswith("/"):
        return {"HF_HUB_OFFLINE": "1", **variables}
    return variables


def environment_problems(
    given: Mapping[str, str],
    instance: InstanceType,
    *,
    image: ContainerImage | None,
    isolated: bool,
    leaves_vpc: bool,
) -> list[tuple[str, str]]:
    """(variable, what it must be) for each that asks for what the instance, the network or the image does not have.

    image: None: it is not known, which is told elsewhere.
    """
    found = isolation_problems(isolated=isolated, leaves_vpc=leaves_vpc, environment=given)
    return [
        *([(_SECRET, _NO_SECRETS)] if _SECRET in given else []),
        *((problem.partition(" ")[0], problem.partition(" ")[2]) for problem in found),
        *variable_problems(given, instance),
        *(image.serving.variable_problems(given) if image and image.serving else []),
    ]
