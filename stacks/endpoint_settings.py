"""What a team may say about an endpoint. Never imports aws_cdk, see stacks/settings.py."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from stacks.container_settings import Environment
from stacks.endpoint_watch_settings import EndpointWatchSettings
from stacks.model_settings import ModelSettings
from stacks.settings_base import Name, Problem


class EndpointSettings(EndpointWatchSettings):
    """A real-time endpoint."""

    name: Name
    image: str = "inference"
    """Name of the inference image under `images`; decides the host's NVIDIA driver, and serves a model of `hub` or
    `s3`."""
    model: ModelSettings | None = None
    """The model to serve. Omitted or null: the endpoint is not deployed yet."""
    instance_type: str = "ml.g4dn.xlarge"
    min_instances: Annotated[int, Field(ge=1, le=100)] = 1
    max_instances: Annotated[int, Field(ge=1, le=100)] = 2
    concurrent_requests_per_instance: Annotated[float, Field(gt=0, le=1000)] = 5.0
    """Target of the scaling policy: requests in flight per instance, measured every 10 s."""
    environment: Environment = {}
    """Variables of the container, over those of the model package: what a server is told, for example
    `SM_VLLM_DTYPE: float16`. Never a token."""
    latency_alarm_ms: Annotated[int, Field(ge=1, le=60000)] = 1000
    """The alarm goes off when the 99th percentile of the model's latency stays above this, in milliseconds."""

    @field_validator("max_instances")
    @classmethod
    def _not_below_minimum(cls, value: int, info: ValidationInfo) -> int:
        minimum = info.data.get("min_instances")
        if minimum is not None and value < minimum:
            raise ValueError(f"must be at least min_instances ({minimum})")
        return value

    @property
    def is_deployed(self) -> bool:
        """Whether there is something to serve."""
        return self.model is not None

    @property
    def followed_job_types(self) -> list[str]:
        """The job types whose approved model is served."""
        return [self.model.approved] if self.model and self.model.approved else []


def words(name: str) -> str:
    """A name in the form of a construct's id: `text-summaries` is TextSummaries."""
    return "".join(word.capitalize() for word in name.split("-"))


def name_problems(path: str, names: Sequence[str]) -> list[Problem]:
    """Names that would be one stack's. path: of the list whose entries have them."""
    taken: dict[str, str] = {}
    found: list[Problem] = []
    for i, name in enumerate(names):
        # Stacks of CloudFormation may differ in case alone, and people would not see it.
        if (first := taken.setdefault(words(name).lower(), name)) == name and name not in names[:i]:
            continue
        reason = (
            "must be a name that no earlier entry has"
            if first == name
            else f"must differ from {first} in more than hyphens"
        )
        found.append((f"{path}.{i}.name", name, reason))
    return found
