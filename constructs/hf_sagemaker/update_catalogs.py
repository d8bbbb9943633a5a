"""Rewrites the package's catalogues from their sources: `make catalogs`.

The image table comes from sagemaker-core's JSON, read as a file and never imported (its import takes seconds); the
instance types and the regions of services from botocore's data. Both are pinned in requirements/.
"""

import json
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import botocore.session

_PACKAGE = Path(__file__).parent
_IMAGE_TABLES = "sagemaker/core/image_uri_config"
_TABLES: dict[tuple[str, str], tuple[str, str]] = {
    ("huggingface", "training"): ("training", ""),
    ("huggingface", "inference"): ("inference", ""),
    ("huggingface-neuron", "inference"): ("inference", "neuron"),
    ("huggingface-neuronx", "training"): ("training", "neuronx"),
    ("huggingface-neuronx", "inference"): ("inference", "neuronx"),
    ("huggingface-training-compiler", "training"): ("training-compiler", ""),
    ("huggingface-llm", "inference"): ("tgi", ""),
    ("huggingface-llm-neuronx", "inference"): ("tgi", "neuronx"),
    ("huggingface-tei", "inference"): ("tei", ""),
    ("huggingface-tei-cpu", "inference"): ("tei", ""),
    ("huggingface-vllm", "inference"): ("vllm", ""),
    ("huggingface-vllm-neuronx", "inference"): ("vllm", "neuronx"),
    ("huggingface-vllm-omni", "inference"): ("vllm-omni", ""),
    ("huggingface-sglang", "inference"): ("sglang", ""),
    ("huggingface-llamacpp", "inference"): ("llamacpp", ""),
}
"""(file of the SDK, scope in it) → (product of the catalogue, the processor where the table's own word for it is no
processor: `inf`, `trn`, `inf2`)."""
_FIRST_CONTAINER_VERSION = "cu110-ubuntu18.04"
"""Of two training images of 2021 whose container version the SDK has in its code and not in its table."""
_INSTANCE_TYPES = {
    "training": "TrainingInstanceType",
    "hosting": "ProductionVariantInstanceType",
    "processing": "ProcessingInstanceType",
    "transform": "TransformInstanceType",
}
"""What instances are used for → the name of botocore's list of their types."""
_SERVICES = {
    "SageMaker": "api.sagemaker",
    "SageMaker Runtime": "runtime.sagemaker",
    "ECR": "api.ecr",
    "CloudWatch Logs": "logs",
    "STS": "sts",
    "KMS": "kms",
    "Step Functions": "states",
    "CloudWatch": "monitoring",
    "CodeBuild": "codebuild",
    "S3": "s3",
    "Secrets Manager": "secretsmanager",
}
"""What people call a service that an environment needs → botocore's endpoint prefix."""


def dlc_catalog() -> dict[str, Any]:
    """The Hugging Face images of all the SDK's tables: product → rows, see dlc_catalog._Row.

    ValueError: the SDK has a table that _TABLES does not know.
    """
    core = distribution("sagemaker-core")
    registries: list[dict[str, str]] = []
    images: dict[str, list[list[str | int]]] = {product: [] for product, _ in _TABLES.values()}
    files = sorted(Path(str(core.locate_file(_IMAGE_TABLES))).glob("huggingface*.json"))
    for file in files:
        for scope, table in json.loads(file.read_text(encoding="utf-8")).items():
            if (file.stem, scope) not in _TABLES:
                raise ValueError(f"the SDK's table {scope} in {file.name} is new: say in _TABLES what it is for")
            product, processor = _TABLES[file.stem, scope]
            for version, image in table["versions"].items():
                for row in _rows(version, image, table["processors"], processor, registries):
                    images[product].append(row)
    return {
        "source": f"sagemaker-core {core.version} {_IMAGE_TABLES}/huggingface*.json",
        "dns_suffixes": _dns_suffixes(registries),
        "registries": registries,
        "images": images,
    }


def _rows(
    version: str, entry: dict[str, Any], processors: list[str], processor: str, registries: list[dict[str, str]]
) -> Iterator[list[str | int]]:
    """The rows of one version. registries: grows by tables that no earlier image has."""
    frameworks = {"": entry} if "repository" in entry else entry
    for framework, image in frameworks.items():
        if framework == "version_aliases":
            continue
        if image["registries"] not in registries:
            registries.append(image["registries"])
        index = registries.index(image["registries"])
        built = image.get("container_version") or {"gpu": _FIRST_CONTAINER_VERSION}
        for word, container_version in built.items():
            # One table lists processors per version that it does not have.
            if not processor and word not in processors:
                continue
            device = processor or word
            yield [
                version,
                framework,
                device,
                image["repository"],
                _tag(version, framework, device, image, container_version),
                index,
            ]


def _tag(version: str, framework: str, processor: str, image: dict[str, Any], container_version: str) -> str:
    """As sagemaker.core.image_uris puts it together; Neuron's training images with the Neuron version, which it
    forgets there and AWS publishes them with."""
    plain = re.sub("^(pytorch|tensorflow)", "", framework)
    return "-".join(
        part
        for part in (
            image.get("tag_prefix") or f"{plain}-transformers{version}",
            processor,
            image.get("py_versions", [""])[-1],
            max(image.get("sdk_versions", [""])),
            container_version,
        )
        if part
    )


def _dns_suffixes(registries: list[dict[str, str]]) -> dict[str, str]:
    """Region → domain, where it is not amazonaws.com."""
    regions = {region for table in registries for region in table}
    return {
        region: partition["dnsSuffix"]
        for partition in _partitions()
        for region in sorted(partition["regions"])
        if region in regions and partition["dnsSuffix"] != "amazonaws.com"
    }


def _partitions() -> list[dict[str, Any]]:
    partitions: list[dict[str, Any]] = (
        botocore.session.get_session().get_component("data_loader").load_data("endpoints")["partitions"]
    )
    return partitions


def model_monitor_images() -> dict[str, Any]:
    """The image of SageMaker Model Monitor: by region the account whose registry has it. It is no Hugging Face image,
    and has no tag."""
    core = distribution("sagemaker-core")
    table = f"{_IMAGE_TABLES}/model-monitor.json"
    ((image,),) = [json.loads(Path(str(core.locate_file(table))).read_text(encoding="utf-8"))["versions"].values()]
    return {
        "source": f"sagemaker-core {core.version} {table}",
        "repository": image["repository"],
        "dns_suffixes": _dns_suffixes([image["registries"]]),
        "registries": image["registries"],
    }


def instance_types() -> dict[str, Any]:
    """The instance types that botocore knows, by use."""
    model: Any = botocore.session.get_session().get_service_model("sagemaker")
    return {
        "source": f"botocore {botocore.__version__}",
        **{use: list(model.shape_for(shape).enum) for use, shape in _INSTANCE_TYPES.items()},
    }


def service_regions() -> dict[str, Any]:
    """The regions that botocore knows, and per service that an environment needs those that have it."""
    partitions = _partitions()
    return {
        "source": f"botocore {botocore.__version__}",
        "regions": sorted(region for partition in partitions for region in partition["regions"]),
        "services": {
            name: sorted(
                region
                for partition in partitions
                for region in partition["services"].get(prefix, {}).get("endpoints", {})
                if region in partition["regions"]
            )
            for name, prefix in _SERVICES.items()
        },
    }


def catalog_text(catalog: dict[str, Any]) -> str:
    """The image catalogue as JSON with a line for each image and each table of registries: a difference is readable."""
    members = {name: json.dumps(catalog[name]) for name in ("source", "dns_suffixes")}
    members["registries"] = _lines(catalog["registries"])
    images = (f"{json.dumps(product)}: {_lines(rows)}" for product, rows in catalog["images"].items())
    members["images"] = "{\n" + ",\n".join(images) + "\n}"
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {value}" for name, value in members.items()) + "\n}\n"


def _lines(values: list[Any]) -> str:
    return "[\n" + ",\n".join(json.dumps(value) for value in values) + "\n]"


def main() -> None:
    """Writes the files."""
    catalog, types, regions = dlc_catalog(), instance_types(), service_regions()
    monitors = model_monitor_images()
    for name, content, text in (
        ("dlc_catalog.json", catalog, catalog_text(catalog)),
        ("instance_types.json", types, json.dumps(types, indent=1) + "\n"),
        ("service_regions.json", regions, json.dumps(regions, indent=1) + "\n"),
        ("model_monitor_images.json", monitors, json.dumps(monitors, indent=1) + "\n"),
    ):
        (_PACKAGE / name).write_text(text, encoding="utf-8")
        print(f"wrote {name} from {content['source']}")


if __name__ == "__main__":
    main()
