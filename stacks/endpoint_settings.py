"""What a team may say about an endpoint. Never imports aws_cdk, see stacks/settings.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from hf_sagemaker.endpoint_parts import EndpointMode
from stacks.container_settings import Environment
from stacks.model_settings import ModelSettings
from stacks.settings_base import Name, Settings

Instances = Annotated[int, Field(ge=0, le=100)]
Seconds = Annotated[int, Field(ge=60, le=3600)]
ExpiryDays = Literal[1, 3, 7, 14, 30, 90]
"""Each is a prefix of the data bucket with a life-cycle rule: so a further endpoint changes no bucket."""
SHADOW = "shadow"
"""Name of the variant that gets copies of requests."""
_RESERVATION = r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:[a-z0-9-]{1,14}/.+$"


class InstancePoolSettings(Settings):
    """An instance type, and when it is tried."""

    instance_type: str
    priority: Annotated[int, Field(ge=1, le=5)]
    """1 is tried first; the next one when there is no capacity for it."""


class VariantSettings(Settings):
    """One of several weighted models of a real-time endpoint, on instances of its own."""

    name: Name
    model: ModelSettings
    image: str | None = None
    """Omitted: the endpoint's; as are the fields below."""
    weight: Annotated[float, Field(ge=0)] = 1
    """Its share of the requests, against the sum of all weights. 0: it gets those only that name it."""
    instance_type: str | None = None
    min_instances: Annotated[int, Field(ge=1, le=100)] | None = None
    max_instances: Annotated[int, Field(ge=1, le=100)] | None = None
    environment: Environment = {}
    """Over the endpoint's."""


class ShadowSettings(Settings):
    """A model that gets copies of a real-time endpoint's requests, and whose answers nobody gets."""

    model: ModelSettings
    image: str | None = None
    """Omitted: the endpoint's; as is the instance type."""
    instance_type: str | None = None
    instances: Annotated[int, Field(ge=1, le=100)] = 1
    weight: Annotated[float, Field(gt=0, le=1)] = 1
    """Share of the requests that are copied. Omitted: all."""


class ComponentSettings(Settings):
    """One of several models that share the instances of an endpoint, with copies of its own."""

    name: Name
    model: ModelSettings
    image: str | None = None
    """Omitted: the endpoint's. Its host image must be that of the other components."""
    environment: Environment = {}
    """Over the endpoint's."""
    min_copies: Annotated[int, Field(ge=0, le=100)] = 1
    """0: scaling may take the last one away. The component begins with one at least."""
    max_copies: Annotated[int, Field(ge=1, le=100, validate_default=True)] = 2
    accelerators: Annotated[int, Field(ge=1)] | None = None
    """Of the instance, for each copy. Omitted: none."""
    cpus: Annotated[float, Field(ge=0.25)] | None = None
    """Processors of the instance, for each copy. Omitted: none are kept for it."""
    memory_mb: Annotated[int, Field(ge=128)]
    """Of the instance, for each copy."""

    @field_validator("max_copies")
    @classmethod
    def _not_below_minimum(cls, value: int, info: ValidationInfo) -> int:
        minimum = info.data.get("min_copies")
        if minimum is not None and value < minimum:
            raise ValueError(f"must be at least min_copies ({minimum})")
        return value


class ServerlessSettings(Settings):
    """What a serverless endpoint has instead of instances."""

    outside_network: Literal[True]
    """True: SageMaker runs serverless containers in no network of yours and without isolation; whoever writes this has
    seen it."""
    memory_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] = 4096
    """Of a container; processors come with it."""
    max_concurrency: Annotated[int, Field(ge=1, le=200)] = 5
    """Requests at the same time. Further ones are refused."""
    provisioned_concurrency: Annotated[int, Field(ge=1, le=200)] | None = None
    """Containers that are kept ready, and paid for. Omitted: the first request after a pause waits."""

    @field_validator("provisioned_concurrency")
    @classmethod
    def _not_above_maximum(cls, value: int | None, info: ValidationInfo) -> int | None:
        most = info.data.get("max_concurrency")
        if value is not None and most is not None and value > most:
            raise ValueError(f"must be at most max_concurrency ({most})")
        return value


class AsynchronousSettings(Settings):
    """The queue of an asynchronous endpoint."""

    max_concurrent_requests_per_instance: Annotated[int, Field(ge=1, le=1000)] | None = None
    """That SageMaker sends to a container. Omitted: SageMaker chooses."""
    expires_days: ExpiryDays = 7
    """How long requests and answers stay in the data bucket."""
    backlog_alarm: Annotated[int, Field(ge=1)] = 100
    """The alarm goes off when so many requests have waited for a quarter of an hour."""


class MultiModelSettings(Settings):
    """The models of a multi-model endpoint."""

    s3: Annotated[str, Field(pattern=r"^[A-Za-z0-9!_.*'()=+-][A-Za-z0-9!_.*'()=+/-]*/$", max_length=512)]
    """A prefix of this environment's models bucket that ends in a slash: the archives (….tar.gz) below it are served. A
    request names one as its target model."""
    task: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """The transformers pipeline task that all of them serve (HF_TASK)."""
    cache: bool = True
    """Models stay loaded until there is no room. False: each request loads its model."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model of an endpoint and what it runs in, wherever in the settings that is said.

    name: of the variant or component. Empty: the endpoint has this one.
    path: of what names it, below the endpoint. types: instance types with the fields that name them; none: serverless.
    """

    name: str
    path: str
    model: ModelSettings
    image: str
    image_path: str
    environment: Mapping[str, str]
    types: Sequence[tuple[str, str]]

    @property
    def environment_path(self) -> str:
        """Of the variables, below the endpoint."""
        return f"{self.path.removesuffix('model')}environment" if self.name != SHADOW else "environment"


class EndpointSettings(Settings):
    """An endpoint: one stack, named after it."""

    name: Name
    mode: EndpointMode = "real-time"
    """real-time: on instances that wait for requests. asynchronous: requests and answers in S3, from zero instances.
    serverless: without instances. components: several models share instances. multi-model: one container that loads
    archives of a prefix when they are asked for."""
    image: str = "inference"
    """Name of the inference image under `images`; decides the host's NVIDIA driver, and serves a model of `hub` or
    `s3`."""
    model: ModelSettings | None = None
    """The model to serve. Omitted or null, and no variants, components or multi_model: the endpoint is not deployed
    yet."""
    variants: Annotated[list[VariantSettings], Field(max_length=10)] = []
    """Several models in real time, instead of `model`."""
    shadow: ShadowSettings | None = None
    """Beside `model`, in real time."""
    components: list[ComponentSettings] = []
    """Of mode components, instead of `model`."""
    serverless: ServerlessSettings | None = None
    """Of mode serverless, which needs it."""
    asynchronous: AsynchronousSettings = AsynchronousSettings()
    """Of mode asynchronous."""
    multi_model: MultiModelSettings | None = None
    """Of mode multi-model, instead of `model`."""
    instance_type: str = "ml.g4dn.xlarge"
    instance_pools: Annotated[list[InstancePoolSettings], Field(max_length=5)] = []
    """Instead of instance_type: several, tried by their priority when there is no capacity."""
    capacity_reservation_arn: Annotated[str, Field(pattern=_RESERVATION, max_length=258)] | None = None
    """Of an ML capacity reservation, outside of which no instance is taken. Omitted: on demand."""
    inference_ami_version: str | None = None
    """Host image of the instances. Omitted: the one that fits the container image."""
    startup_seconds: Seconds = 600
    """Until a container is healthy, its model loaded."""
    model_download_seconds: Seconds | None = None
    """Until the model is on the instance. Omitted: SageMaker's default."""
    provisioning_seconds: Annotated[int, Field(ge=300, le=3600)] | None = None
    """Until there are instances, of whichever type. Omitted: SageMaker's default."""
    volume_gb: Annotated[int, Field(ge=1, le=512)] | None = None
    """Of the storage volume, where the instance type has one. Omitted: SageMaker's default."""
    min_instances: Instances = 1
    """0: scaling may take the last one away, in modes asynchronous and components."""
    max_instances: Annotated[int, Field(ge=1, le=100, validate_default=True)] = 2
    metrics_seconds: Literal[10, 30, 60, 120, 180, 240, 300] = 10
    """How often SageMaker publishes metrics. Below a minute they come for each instance, too."""
    routing: Literal["least-outstanding-requests", "random"] = "least-outstanding-requests"
    """To which instance a request goes, in modes real-time and components."""
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
        return bool(self.model or self.variants or self.components or self.multi_model)

    @property
    def followed_job_types(self) -> list[str]:
        """The job types whose approved model is served, each once."""
        return list(dict.fromkeys(each.model.approved for each in self.served if each.model.approved))

    @property
    def all_instance_types(self) -> list[str]:
        """Every type that something of it may run on."""
        if self.mode == "serverless":
            return []
        own = [each.instance_type for each in (*self.variants, *([self.shadow] if self.shadow else []))]
        return list(dict.fromkeys([*(name for name, _ in self.types), *(name for name in own if name)]))

    @property
    def types(self) -> list[tuple[str, str]]:
        """Its own instance types in the order in which they are tried, with the field that names each."""
        if self.mode == "serverless":
            return []
        pools = sorted(enumerate(self.instance_pools), key=lambda each: each[1].priority)
        named = [(pool.instance_type, f"instance_pools.{i}.instance_type") for i, pool in pools]
        return named or [(self.instance_type, "instance_type")]

    @property
    def served(self) -> list[Served]:
        """Its models: one, or those of variants or components; a shadow's too."""
        found = []
        if self.model:
            found.append(self._served("", "model", self.model))
        for i, variant in enumerate(self.variants):
            found.append(self._of_part(f"variants.{i}", variant.name, variant, variant.environment))
        if self.shadow:
            found.append(self._of_part("shadow", SHADOW, self.shadow, {}))
        for i, component in enumerate(self.components):
            image_path = f"components.{i}.image" if component.image else "image"
            environment = {**self.environment, **component.environment}
            found.append(
                self._served(
                    component.name,
                    f"components.{i}.model",
                    component.model,
                    image=(component.image or self.image, image_path),
                    environment=environment,
                )
            )
        return found

    def _of_part(
        self, path: str, name: str, part: VariantSettings | ShadowSettings, environment: Mapping[str, str]
    ) -> Served:
        return self._served(
            name,
            f"{path}.model",
            part.model,
            image=(part.image, f"{path}.image") if part.image else (self.image, "image"),
            environment={**self.environment, **environment},
            types=[(part.instance_type, f"{path}.instance_type")] if part.instance_type else self.types,
        )

    def _served(
        self,
        name: str,
        path: str,
        model: ModelSettings,
        *,
        image: tuple[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        types: Sequence[tuple[str, str]] | None = None,
    ) -> Served:
        named, image_path = image or (self.image, "image")
        return Served(
            name=name,
            path=path,
            model=model,
            image=named,
            image_path=image_path,
            environment=self.environment if environment is None else environment,
            types=self.types if types is None else types,
        )


def words(name: str) -> str:
    """A name in the form of a construct's id: `text-summaries` is TextSummaries."""
    return "".join(word.capitalize() for word in name.split("-"))
