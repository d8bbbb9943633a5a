"""What is wrong with endpoints: above all what their mode does not have.

Never imports aws_cdk, see stacks/settings.py.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hf_sagemaker.compatibility import IncompatibleError, inference_ami_problem, inference_ami_version
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.instance_types import InstanceType, UnknownInstanceTypeError, instance_type
from stacks.container_settings import environment_problems
from stacks.endpoint_settings import EndpointSettings, Served, words
from stacks.model_settings import model_problems
from stacks.settings_base import Problem

if TYPE_CHECKING:
    from stacks.settings import EnvironmentSettings

_LONGEST_NAME = 63
_ON_INSTANCES = ("real-time", "asynchronous", "components", "multi-model")
# Field → the modes that have it, and what to do instead.
_OF_MODES: dict[str, tuple[tuple[str, ...], str]] = {
    "model": (("real-time", "asynchronous", "serverless"), "each component names its own; multi_model names a prefix"),
    "variants": (("real-time",), "only a real-time endpoint has several variants"),
    "shadow": (("real-time",), "only a real-time endpoint has a shadow"),
    "components": (("components",), "write mode: components"),
    "serverless": (("serverless",), "write mode: serverless"),
    "asynchronous": (("asynchronous",), "write mode: asynchronous"),
    "multi_model": (("multi-model",), "write mode: multi-model"),
    **dict.fromkeys(
        (
            "instance_type",
            "capacity_reservation_arn",
            "inference_ami_version",
            "startup_seconds",
            "model_download_seconds",
            "provisioning_seconds",
            "volume_gb",
            "min_instances",
            "max_instances",
            "metrics_seconds",
        ),
        (_ON_INSTANCES, "serverless has no instances; serverless.memory_mb and max_concurrency say what it may use"),
    ),
    "instance_pools": (
        ("real-time", "asynchronous"),
        "components need their memory and devices for one type, and multi-model keeps its models by instance",
    ),
    "routing": (
        ("real-time", "components"),
        "the mode decides it: a queue, SageMaker's own, or where a model is loaded",
    ),
    "concurrent_requests_per_instance": (("real-time", "multi-model"), "another metric scales this mode"),
    "latency_alarm_ms": (
        ("real-time", "serverless", "components", "multi-model"),
        "nobody waits for an asynchronous answer; asynchronous.backlog_alarm watches the queue",
    ),
}
_FROM_ZERO = ("asynchronous", "components")
_ELSEWHERE_LETTERS = 4000
"""Of IAM's 6144, for keys of models in the team's buckets: each is named twice in one policy."""


def endpoint_problems(settings: "EnvironmentSettings") -> list[Problem]:
    """Of all endpoints."""
    endpoints = settings.inference.endpoints
    found = name_problems("inference.endpoints", [endpoint.name for endpoint in endpoints])
    for i, endpoint in enumerate(endpoints):
        path = f"inference.endpoints.{i}"
        found += _of_mode(path, endpoint)
        found += _of_instances(path, endpoint)
        found += _of_parts(path, endpoint)
        found += _of_image(path, endpoint, settings)
        for served in endpoint.served:
            found += _of_served(path, endpoint, served, settings)
        if not endpoint.served:
            found += _of_nothing(path, endpoint, settings)
    return found + _elsewhere(settings)


def name_problems(path: str, names: Sequence[str]) -> list[Problem]:
    """Names that would be one stack's, or one resource's. path: of the list whose entries have them."""
    taken: dict[str, str] = {}
    found: list[Problem] = []
    for i, name in enumerate(names):
        # Stacks of CloudFormation may differ in case alone, and people would not see it.
        if (first := taken.setdefault(words(name).lower(), name)) == name and name not in names[:i]:
            continue
        earlier = "must be a name that no earlier entry has"
        reason = earlier if first == name else f"must differ from {first} in more than hyphens"
        found.append((f"{path}.{i}.name", name, reason))
    return found


def _of_mode(path: str, endpoint: EndpointSettings) -> list[Problem]:
    mode = endpoint.mode
    found: list[Problem] = []
    for field, (modes, instead) in _OF_MODES.items():
        value = getattr(endpoint, field)
        if mode not in modes and field in endpoint.model_fields_set and value not in (None, []):
            found.append((f"{path}.{field}", _told(value), f"must be left out in mode {mode}: {instead}"))
    if mode == "serverless" and endpoint.serverless is None and endpoint.is_deployed:
        wanted = "must be there in mode serverless, for example {outside_network: true, memory_mb: 4096}"
        found.append((f"{path}.serverless", None, wanted))
    if endpoint.min_instances == 0 and mode in _ON_INSTANCES and mode not in _FROM_ZERO:
        reason = (
            f"must be at least 1 in mode {mode}: without instances requests fail; {' and '.join(_FROM_ZERO)} have 0"
        )
        found.append((f"{path}.min_instances", 0, reason))
    return found


def _told(value: object) -> object:
    """What of a value stands in a message: the names of what is in it are told elsewhere."""
    return value if isinstance(value, str | int | float) else "…"


def _of_parts(path: str, endpoint: EndpointSettings) -> list[Problem]:
    found: list[Problem] = []
    if endpoint.variants and endpoint.model:
        found.append((f"{path}.model", "…", "must be left out with variants: make it one of them"))
    if endpoint.shadow and endpoint.variants:
        found.append((f"{path}.shadow", "…", "must be left out with variants: a shadow copies the requests of `model`"))
    if endpoint.shadow and not (endpoint.model or endpoint.variants):
        found.append((f"{path}.shadow", "…", "must be left out without a model, whose requests it copies"))
    if endpoint.variants and not sum(variant.weight for variant in endpoint.variants):
        found.append((f"{path}.variants", 0, "must have a weight above 0 somewhere: nobody would get the requests"))
    for i, variant in enumerate(endpoint.variants):
        least = endpoint.min_instances if variant.min_instances is None else variant.min_instances
        most = endpoint.max_instances if variant.max_instances is None else variant.max_instances
        if most < least:
            where = f"{path}.variants.{i}.max_instances"
            found.append((where, most, f"must be at least the variant's minimum ({least})"))
    found += name_problems(f"{path}.variants", [variant.name for variant in endpoint.variants])
    found += name_problems(f"{path}.components", [component.name for component in endpoint.components])
    return found


def component_name_problems(settings: "EnvironmentSettings", environment: str) -> list[Problem]:
    """Components whose name in the account, with those of environment and endpoint before it, is too long."""
    return [
        (
            f"inference.endpoints.{i}.components.{k}.name",
            component.name,
            f"must be shorter by {len(name) - _LONGEST_NAME}: in the account it is {name}, and SageMaker takes "
            f"{_LONGEST_NAME} characters",
        )
        for i, endpoint in enumerate(settings.inference.endpoints)
        for k, component in enumerate(endpoint.components)
        if len(name := f"{environment}-{endpoint.name}-{component.name}") > _LONGEST_NAME
    ]


def _of_instances(path: str, endpoint: EndpointSettings) -> list[Problem]:
    found: list[Problem] = []
    pools = endpoint.instance_pools
    if pools and "instance_type" in endpoint.model_fields_set:
        found.append((f"{path}.instance_type", endpoint.instance_type, "must be left out with instance_pools"))
    for field, values in (
        ("priority", [pool.priority for pool in pools]),
        ("instance_type", [pool.instance_type for pool in pools]),
    ):
        for i, value in enumerate(values):
            if value in values[:i]:
                reason = f"must differ from the {field} of every earlier pool"
                found.append((f"{path}.instance_pools.{i}.{field}", value, reason))
    if endpoint.capacity_reservation_arn and len(pools) > 1:
        reason = "must be left out with several instance_pools: a reservation is of one instance type"
        found.append((f"{path}.capacity_reservation_arn", endpoint.capacity_reservation_arn, reason))
    known = _known_types(endpoint.all_instance_types)
    if without := [each.name for each in known if not each.takes_volume_key]:
        if endpoint.volume_gb:
            reason = f"must be left out: {', '.join(without)} has local NVMe, and no volume"
            found.append((f"{path}.volume_gb", endpoint.volume_gb, reason))
        if len(without) < len(known):
            reason = (
                f"must all have local NVMe, or none: {', '.join(without)} refuse the volume key that the others need, "
                "and an endpoint has one key or none"
            )
            found.append((f"{path}.{endpoint.types[0][1].partition('.')[0]}", [each.name for each in known], reason))
    return found


def _of_image(path: str, endpoint: EndpointSettings, settings: "EnvironmentSettings") -> list[Problem]:
    image = settings.known_image(endpoint.image)
    if image is None:
        return []
    found: list[Problem] = []
    if endpoint.mode == "multi-model" and not _serves_many(image):
        reason = (
            "must be an inference image with the stock server (`serving: {server: toolkit}`): others serve one model"
        )
        found.append((f"{path}.image", endpoint.image, reason))
    images = {each.image: known for each in endpoint.served if (known := settings.known_image(each.image))}
    if endpoint.inference_ami_version:
        for each in images.values() or [image]:
            if problem := inference_ami_problem(each, endpoint.inference_ami_version):
                found.append((f"{path}.inference_ami_version", endpoint.inference_ami_version, problem))
    elif endpoint.mode == "components" and len(hosts := _hosts(images)) > 1:
        reason = (
            f"must have images with one host image, and need {', '.join(hosts)}: name one that runs all of them "
            "(inference_ami_version), or part the components"
        )
        found.append((f"{path}.components", list(images), reason))
    return found


def _hosts(images: dict[str, ContainerImage]) -> list[str]:
    found = set()
    for image in images.values():
        try:
            found.add(str(inference_ami_version(image)))
        except IncompatibleError:  # told with the instance type
            continue
    return sorted(found)


def _serves_many(image: ContainerImage) -> bool:
    return image.product == "inference" and (image.serving is None or image.serving.server == "toolkit")


def _of_served(path: str, endpoint: EndpointSettings, served: Served, settings: "EnvironmentSettings") -> list[Problem]:
    image = settings.known_image(served.image)
    found = settings.image_reference(f"{path}.{served.image_path}", served.image, "inference")
    if endpoint.mode == "serverless":
        found += _without_devices(f"{path}.{served.image_path}", served.image, image, settings)
    for name, field in served.types:
        found += settings.instance_problems(f"{path}.{field}", name, "hosting", served.image)
    types = _known_types([name for name, _ in served.types][:1])
    instances = [InstanceType(name="serverless")] if endpoint.mode == "serverless" else types
    found += _of_environment(f"{path}.{served.environment_path}", served.environment, instances, image, settings)
    return found + model_problems(
        f"{path}.{served.path}",
        served.model,
        hub=settings.hub,
        read_only=settings.data.read_only_buckets,
        isolated=settings.isolation,
        leaves_vpc=settings.leaves_vpc,
        product=image.product if image else None,
        job_types=[job.name for job in settings.training.job_types],
    )


def _of_nothing(path: str, endpoint: EndpointSettings, settings: "EnvironmentSettings") -> list[Problem]:
    """Of an endpoint without models of its own, multi-model or not deployed yet."""
    found = settings.image_reference(f"{path}.image", endpoint.image, "inference")
    for name, field in endpoint.types:
        found += settings.instance_problems(f"{path}.{field}", name, "hosting", endpoint.image)
    image, instances = settings.known_image(endpoint.image), _known_types([name for name, _ in endpoint.types][:1])
    return found + _of_environment(f"{path}.environment", endpoint.environment, instances, image, settings)


def _of_environment(
    path: str,
    given: Mapping[str, str],
    instances: Sequence[InstanceType],
    image: ContainerImage | None,
    settings: "EnvironmentSettings",
) -> list[Problem]:
    """instances: the one that the container prefers. Empty: it is not known, which is told elsewhere."""
    return [
        (f"{path}.{name}", given[name], problem)
        for instance in instances
        for name, problem in environment_problems(
            given, instance, image=image, isolated=settings.isolation, leaves_vpc=settings.leaves_vpc
        )
    ]


def _without_devices(
    path: str, name: str, image: ContainerImage | None, settings: "EnvironmentSettings"
) -> list[Problem]:
    if image is None or (image.processor == "cpu" and image.architecture == "x86_64"):
        return []
    fitting = [
        each.name
        for each in settings.images
        if each.base.purpose == "inference"
        and (known := settings.known_image(each.name))
        and known.processor == "cpu"
        and known.architecture == "x86_64"
    ]
    there = f"{', '.join(fitting)} is one" if fitting else "add one under `images`, with `processor: cpu` in its base"
    return [(path, name, f"must be a CPU image: serverless has no GPU; {there}")]


def _known_types(names: Sequence[str]) -> list[InstanceType]:
    found = []
    for name in names:
        try:
            found.append(instance_type(name, "hosting"))
        except UnknownInstanceTypeError:  # told elsewhere
            continue
    return found


def _elsewhere(settings: "EnvironmentSettings") -> list[Problem]:
    letters = sum(2 * len(key) + 2 * len(bucket) for bucket, key in settings.models_elsewhere)
    if letters <= _ELSEWHERE_LETTERS:
        return []
    reason = (
        f"must be fewer, or shorter: their keys have {letters} letters in one policy of IAM, and {_ELSEWHERE_LETTERS} "
        "fit. Name a prefix that several endpoints serve, or bring models into the models bucket"
    )
    return [("inference.endpoints", f"{len(settings.models_elsewhere)} models in data.read_only_buckets", reason)]
