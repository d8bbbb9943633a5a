"""Controls 42 and 47 to 50: what runs in containers, where it came from, and that no secret is among its settings."""

import re
from collections.abc import Iterator, Mapping

from hf_sagemaker.controls.container_images import (
    Container,
    Image,
    containers,
    images,
    is_promoted,
    is_published,
    own_repository,
)
from hf_sagemaker.controls.control import Breach, Control, Missing, Proof, judge
from hf_sagemaker.controls.hosting import WITH_A_MODEL
from hf_sagemaker.controls.secret_settings import holds_secret
from hf_sagemaker.controls.subnets import MODEL
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.dlc_catalog import registries

_REVISION = re.compile(r"[0-9a-f]{40}")
_TRUE = ("1", "true", "yes", "on", "y", "t")
_FALSE = ("", "0", "false", "no", "off", "n", "f")
# Where values are that people or programs give to programs.
_SETTINGS = ("BuildSpec", "DefinitionString", "Environment", "EnvironmentVariables", "HyperParameters")


def pulls_through_our_vpc(templates: Templates) -> Iterator[Proof | Breach]:
    """Images come from a registry in our VPC. Those in ECR do not: each such model has to be acknowledged."""
    for model in templates.resources(MODEL):
        modes = [
            (container.definition.get("ImageConfig") or {}).get("RepositoryAccessMode")
            for container in containers(templates)
            if container.resource is model
        ]
        through_vpc = bool(modes) and all(mode == "Vpc" for mode in modes)
        yield judge(model, through_vpc, "pulls its image by way of SageMaker; RepositoryAccessMode must be Vpc.")


def pins_images(templates: Templates) -> Iterator[Proof | Breach]:
    """Each image is named by its digest, or by a tag that never moves."""
    for image in images(templates):
        fault = _pinning_fault(templates, image)
        yield judge(image.resource, not fault, f"{image.place}: {image.uri!r} {fault}.")


def _pinning_fault(templates: Templates, image: Image) -> str:
    if (repository := own_repository(templates, image)) is not None:
        tag = str(image.uri).split("}", 1)[1]
        # What follows an @ is a digest, or the address is none: also where only the deployment knows which.
        if tag.startswith(("@sha256:", "@${")):
            return ""
        if not tag.startswith(":") or tag == ":latest":
            return "needs the digest, or a tag other than latest"
        fixed = repository.properties.get("ImageTagMutability") == "IMMUTABLE"
        return "" if fixed else "is in a repository whose tags may move; it must be IMMUTABLE"
    if image.parts is None:
        return "is no image in ECR, by its address"
    if image.parts["digest"] or is_published(image):
        return ""
    return "must be named by its digest, or be a published Deep Learning Container with its whole tag"


def pulls_from_known_registries(templates: Templates) -> Iterator[Proof | Breach | Missing]:
    """Images come from this account, from where AWS publishes Deep Learning Containers, or were promoted, by rules."""
    known = registries(templates.region)
    if not known:
        yield Missing(f"the accounts that publish Deep Learning Containers in {templates.region}")
    for image in images(templates):
        account = (image.parts or {}).get("account")
        own = own_repository(templates, image) is not None or account == templates.account
        yield judge(
            image.resource,
            own or account in known or is_promoted(templates, image),
            f"{image.place}: {image.uri!r} must be of account {templates.account}, or {' or '.join(sorted(known))}, "
            "or an image that this environment promotes.",
        )
    for container in containers(templates):
        if package := container.definition.get("ModelPackageName"):
            ours = str(package).split(":")[4:5] == [templates.account]
            yield judge(
                container.resource,
                ours,
                f"serves {package!r}, whose images this account does not vouch for; it must be registered here.",
            )


def asks_no_hub(templates: Templates) -> Iterator[Proof | Breach]:
    """A container loads what it was given, of a pinned revision, and runs no code that came with a model."""
    for container in containers(templates):
        if "ModelPackageName" in container.definition and not container.environment:
            yield Proof(
                container.resource, "Its variables are those of its model package, which the workflow registers."
            )
            continue
        faults = list(_hub_faults(container))
        yield judge(container.resource, not faults, f"{container.place}: {'; '.join(faults)}.")


def _hub_faults(container: Container) -> Iterator[str]:
    variables = {name: str(value).lower() for name, value in container.environment.items()}
    if left := [name for name in variables if name.endswith(".$")]:
        yield f"{', '.join(left)} come from the input, and must be decided by the definition"
    if "Environment.$" in container.definition:
        yield "its variables come from the input, and must be decided by the definition"
    for name, value in variables.items():
        if name.endswith("TRUST_REMOTE_CODE") and value not in _FALSE:
            yield f"{name} must be absent or false"
    if "HF_MODEL_ID" in variables and not variables["HF_MODEL_ID"].startswith("/opt/ml/"):
        if not _REVISION.fullmatch(variables.get("HF_MODEL_REVISION", "")):
            yield "HF_MODEL_ID needs HF_MODEL_REVISION, a commit of 40 hexadecimal digits"
    elif variables.get("HF_HUB_OFFLINE") not in _TRUE:
        yield "HF_HUB_OFFLINE must be 1"


def holds_no_token(templates: Templates) -> Iterator[Proof | Breach | Missing]:
    """Nothing in any template looks like a token, a key or a password, whether a setting, a text or an output."""
    for resource in templates.all:
        found = any(holds_secret(text) for text in _texts(resource.properties))
        if found or any(True for _ in _settings(resource.properties)):
            yield judge(resource, not found, "holds what looks like a secret; it must be read from Secrets Manager.")
    for stack, template in templates.stacks.items():
        rest = {name: section for name, section in template.items() if name != "Resources"}
        if any(holds_secret(text) for text in _texts(rest)):
            yield Missing(f"stack {stack} without what looks like a secret in {', '.join(rest)}")


def _settings(value: object) -> Iterator[object]:
    """The values of all keys that hold settings, wherever they are."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from [item] if key in _SETTINGS else _settings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _settings(item)


def _texts(value: object) -> Iterator[str]:
    """Every text in a value, keys too."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


CONTROLS = (
    Control(
        42,
        "private registry in VPC (`ImageConfig.RepositoryAccessMode==Vpc`)",
        "SH SageMaker.16/.19",
        pulls_through_our_vpc,
        WITH_A_MODEL,
    ),
    Control(47, "image by digest or exact DLC tag, never `latest`", "HF SECURITY.md", pins_images),
    Control(
        48,
        "allowed registries only (our ECR + 763104351884 / regional DLC ids)",
        "supply chain",
        pulls_from_known_registries,
    ),
    Control(
        49,
        "`HF_HUB_OFFLINE=1`, `TRUST_REMOTE_CODE` absent/false, `HF_MODEL_REVISION` 40-hex when a hub id is used",
        "HF",
        asks_no_hub,
        WITH_A_MODEL,
    ),
    Control(50, "no token-like value in any Environment/HyperParameters", "secrets", holds_no_token),
)
