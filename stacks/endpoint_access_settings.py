"""Who may call an endpoint from elsewhere, and by what. Never imports aws_cdk, see stacks/settings.py."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hf_sagemaker.endpoint_parts import EndpointMode
from stacks.access_settings import partition_of
from stacks.settings_base import Problem, Settings

CallerArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$",
        description="ARN of one IAM role or user, without *, for example arn:aws:iam::111122223333:role/checkout",
    ),
]
VpcEndpointId = Annotated[str, Field(pattern=r"^vpce-[0-9a-f]{8,17}$", description="id of a VPC endpoint")]
_LARGEST_MB = 6
"""That SageMaker takes in real time. A character may need four bytes."""


class RequestSettings(Settings):
    """Of a JSON body with `inputs`, a text or a list of texts. Anything else is refused before it reaches the model."""

    inputs: Annotated[int, Field(ge=1, le=1000)] = 64
    """Texts in a request."""
    characters: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Of each text."""

    @model_validator(mode="after")
    def _small_enough(self) -> "RequestSettings":
        largest = self.inputs * self.characters * 4 / 1e6
        if largest > _LARGEST_MB:
            raise ValueError(
                f"inputs times characters would let {largest:.1f} MB pass, and SageMaker takes {_LARGEST_MB} MB: "
                f"their product must be at most {_LARGEST_MB * 250_000}"
            )
        return self


class ApiSettings(Settings):
    """A REST API in front of an endpoint, `POST /invocations`, for requests that IAM principals have signed."""

    access: Literal["private", "regional"] = "private"
    """`private`: only by the VPC endpoints below. `regional`: an address in the region, which anybody can reach and
    only signed requests pass."""
    vpc_endpoint_ids: Annotated[list[VpcEndpointId], Field(max_length=20)] = []
    """VPC endpoints of execute-api in the networks where callers are, of any account. For `private` only."""
    requests_per_second: Annotated[float, Field(gt=0, le=10_000)] = 50
    """More are refused with 429."""
    burst: Annotated[int, Field(ge=1, le=5000)] = 100
    """Requests at once, above the rate."""
    request: RequestSettings | None = RequestSettings()
    """What a body may be. null: any body of any content type that API Gateway (10 MB) and SageMaker (6 MB) take."""

    @model_validator(mode="after")
    def _reachable(self) -> "ApiSettings":
        if (self.access == "private") != bool(self.vpc_endpoint_ids):
            raise ValueError(
                "access: private must have vpc_endpoint_ids, of execute-api, where callers are; access: regional none"
            )
        return self


def endpoint_access_problems(
    path: str, callers: list[str], api: ApiSettings | None, mode: EndpointMode, *, region: str
) -> list[Problem]:
    """Callers and APIs that cannot be. path: of the endpoint. callers: as its setting of that name has them."""
    wanted = partition_of(region)
    found: list[Problem] = []
    for i, arn in enumerate(callers):
        if arn.split(":")[1] != wanted:
            found.append((f"{path}.callers.{i}", arn, f"must be of the partition of {region}: arn:{wanted}:…"))
        if arn in callers[:i]:
            found.append((f"{path}.callers.{i}", arn, "must be named once"))
    if api and mode == "asynchronous":
        found.append(
            (
                f"{path}.api",
                mode,
                "must be left out: an asynchronous endpoint reads requests from S3; callers take `callers`, and "
                "InvokeEndpointAsync",
            )
        )
    if api and mode == "components":
        found.append(
            (
                f"{path}.api",
                mode,
                "must be left out: a request must name the component, which API Gateway does not know; callers take "
                "`callers`, and InvokeEndpoint with InferenceComponentName",
            )
        )
    if api and mode == "multi-model":
        found.append(
            (
                f"{path}.api",
                mode,
                "must be left out: a request must name the model, which API Gateway does not know; callers take "
                "`callers`, and InvokeEndpoint with TargetModel",
            )
        )
    return found
