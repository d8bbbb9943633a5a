"""Models and model packages: from the name of either to the containers that an endpoint starts."""

import json
import re
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import ModelPackage, SageMakerModelBackend

from localcloud import events

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html; \w are letters, digits and _.
_MOST_PROPERTIES, _LONGEST_KEY, _LONGEST_VALUE, _LONGEST_CARD = 50, 128, 256, 100_000
_PROPERTY = re.compile(r"[\w .:/=+\-@]*")
_cards: WeakKeyDictionary[ModelPackage, dict[str, Any]] = WeakKeyDictionary()


@dataclass(frozen=True)
class ServedModel:
    """What one container of a variant is made of.

    role: pulls the image. data: None: the image has its model.
    models: where a multi-model container finds its models; None: it has one.
    """

    image: str
    role: str
    data: "ModelData | None"
    environment: dict[str, str]
    models: "ModelStore | None" = None


@dataclass(frozen=True)
class ModelStore:
    """prefix: s3:// address below which the archives of many models lie.

    is_cached: a model stays loaded after its answer, until another one needs its memory.
    """

    prefix: str
    is_cached: bool = True


@dataclass(frozen=True)
class ModelData:
    """uri: s3:// address of a .tar.gz, or where it is not packed a prefix that ends in a slash."""

    uri: str
    is_packed: bool = True


def served_model(backend: SageMakerModelBackend, model_name: str) -> ServedModel:
    """ValidationError: the model is of a kind that cannot be served here, and which."""
    model = backend.describe_model(model_name)
    containers = [model.primary_container] if model.primary_container else list(model.containers)
    if len(containers) != 1:
        raise ValidationError(f"model {model_name!r} has {len(containers)} containers: the embedded AWS serves one")
    container = containers[0]
    environment = dict(container.get("Environment") or {})
    if package_name := container.get("ModelPackageName"):
        package = model_package(backend, package_name)
        packaged = (package.inference_specification or {}).get("Containers") or []
        if len(packaged) != 1:
            raise ValidationError(f"{package.arn} has {len(packaged)} containers: the embedded AWS serves one")
        environment = {**(packaged[0].get("Environment") or {}), **environment}
        container = packaged[0]
    store = _model_store(container)
    data = None if store else _model_data(container)
    return ServedModel(container["Image"], model.execution_role_arn, data, environment, store)


def check_model(backend: SageMakerModelBackend, request: dict[str, Any]) -> None:
    """What CreateModel refuses. ValidationError: and why."""
    name = request["ModelName"]
    if name in backend._models:
        raise ValidationError(f"Cannot create already existing model {name!r}.")
    for container in [request.get("PrimaryContainer") or {}, *(request.get("Containers") or [])]:
        _check_data(container)
        if package_name := container.get("ModelPackageName"):
            package = model_package(backend, package_name)
            if package.model_approval_status not in (None, "Approved"):
                raise ValidationError(
                    f"Model package {package.arn} cannot be deployed: its approval status is "
                    f"{package.model_approval_status}, not Approved."
                )


def model_package(backend: SageMakerModelBackend, name: str) -> ModelPackage:
    """By ARN, or by the name of an unversioned package."""
    package: ModelPackage = backend.describe_model_package(name)
    return package


def check_package(request: dict[str, Any]) -> None:
    """What CreateModelPackage and UpdateModelPackage refuse. ValidationError: and why.

    The model card's schema is not checked here, only that it is JSON of a length that SageMaker takes.
    """
    metadata = request.get("CustomerMetadataProperties") or {}
    if len(metadata) > _MOST_PROPERTIES:
        raise ValidationError(f"CustomerMetadataProperties has {len(metadata)} entries, at most {_MOST_PROPERTIES}.")
    for key, value in metadata.items():
        for text, longest in ((key, _LONGEST_KEY), (value, _LONGEST_VALUE)):
            if not 1 <= len(text) <= longest or not _PROPERTY.fullmatch(text):
                raise ValidationError(
                    f"Value '{text}' at 'customerMetadataProperties' failed to satisfy constraint: 1 to {longest} of "
                    "letters, digits, spaces and _.:/=+-@"
                )
    content = (request.get("ModelCard") or {}).get("ModelCardContent", "{}")
    if len(content) > _LONGEST_CARD:
        raise ValidationError(f"Model card content has {len(content)} characters, at most {_LONGEST_CARD}.")
    try:
        json.loads(content)
    except ValueError as error:
        raise ValidationError(f"Model card content is not valid JSON: {error}") from None


def keep_card(package: ModelPackage, request: dict[str, Any]) -> None:
    """Keeps what a request says of the model card, which moto drops, for `described_package`."""
    if card := request.get("ModelCard"):
        _cards[package] = {**_cards.get(package, {}), **card}


def described_package(package: ModelPackage) -> dict[str, Any]:
    """The answer of DescribeModelPackage: moto's, and the model card."""
    described: dict[str, Any] = package.gen_response_object()
    return described | ({"ModelCard": _cards[package]} if package in _cards else {})


def tell(package: ModelPackage) -> None:
    """`SageMaker Model Package State Change`: the event of each version that is registered or changed; moto sends none.

    Shape: https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
    """
    if not package.model_package_group_name:
        return
    detail = {
        "ModelPackageGroupName": package.model_package_group_name,
        "ModelPackageVersion": package.model_package_version,
        "ModelPackageArn": package.arn,
        "CreationTime": f"{package.creation_time:%Y-%m-%dT%H:%M:%S.000Z}",
        "InferenceSpecification": package.inference_specification,
        "ModelPackageStatus": package.model_package_status,
        "ModelApprovalStatus": package.model_approval_status,
        "ApprovalDescription": package.approval_description,
        "CustomerMetadataProperties": package.customer_metadata_properties,
    }
    told = {name: value for name, value in detail.items() if value is not None}
    events.emit(package.arn, "aws.sagemaker", "SageMaker Model Package State Change", told)


def updated_package(package: ModelPackage, request: dict[str, Any]) -> None:
    """Changes what an UpdateModelPackage request names, and nothing else.

    moto's own version wipes the approval status, its description and the metadata wherever a request leaves them out.
    """
    if (status := request.get("ModelApprovalStatus")) is not None:
        package.set_model_approval_status(status)
    if (description := request.get("ApprovalDescription")) is not None:
        package.approval_description = description
    metadata = dict(package.customer_metadata_properties or {})
    metadata.update(request.get("CustomerMetadataProperties") or {})
    for name in request.get("CustomerMetadataPropertiesToRemove") or []:
        metadata.pop(name, None)
    package.customer_metadata_properties = metadata or None
    package.add_additional_inference_specifications(request.get("AdditionalInferenceSpecificationsToAdd"))
    package.modifications_done()


def package_summary(package: ModelPackage) -> dict[str, Any]:
    """An entry of ListModelPackages: these members and no others."""
    described: dict[str, Any] = package.gen_response_object()
    wanted = (
        "ModelPackageName",
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageArn",
        "ModelPackageDescription",
        "CreationTime",
        "ModelPackageStatus",
        "ModelApprovalStatus",
    )
    return {name: described[name] for name in wanted if described.get(name) is not None}


def next_version(backend: SageMakerModelBackend, group: str) -> int:
    """Version numbers are never used twice, not even after a package was deleted."""
    versions = [
        package.model_package_version or 0
        for package in backend.model_packages.values()
        if package.model_package_group_name == group
    ]
    return max(versions, default=0) + 1


def _model_data(container: dict[str, Any]) -> ModelData | None:
    if url := container.get("ModelDataUrl"):
        return ModelData(str(url))
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source is None:
        return None
    return ModelData(str(source["S3Uri"]), is_packed=source["CompressionType"] == "Gzip")


def _model_store(container: dict[str, Any]) -> ModelStore | None:
    if container.get("Mode") != "MultiModel":
        return None
    setting = (container.get("MultiModelConfig") or {}).get("ModelCacheSetting", "Enabled")
    return ModelStore(str(container["ModelDataUrl"]), is_cached=setting == "Enabled")


def _check_data(container: dict[str, Any]) -> None:
    if container.get("Mode") == "MultiModel" and not container.get("ModelDataUrl"):
        raise ValidationError(
            "ModelDataUrl is required for a container with Mode MultiModel: the prefix of its models."
        )
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source is None:
        return
    if container.get("ModelDataUrl"):
        raise ValidationError("Only one of ModelDataUrl and ModelDataSource can be specified for a container.")
    kind, compression, uri = source["S3DataType"], source["CompressionType"], source["S3Uri"]
    if kind == "S3Prefix" and compression == "Gzip":
        raise ValidationError("S3DataType S3Prefix is for uncompressed model data only: CompressionType must be None.")
    if (kind == "S3Prefix") != uri.endswith("/"):
        raise ValidationError(
            f"The S3Uri {uri} of S3DataType {kind} must{'' if kind == 'S3Prefix' else ' not'} end in /."
        )
