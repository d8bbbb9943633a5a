"""Rewrites the package's catalogues from their sources: `make catalogs`.

The image table comes from sagemaker-core's JSON, read as a file and never imported (its import takes seconds); the
instance types and the regions of services from botocore's data. Both are pinned in requirements/.
"""

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import botocore.session

_PACKAGE = Path(__file__).parent
_IMAGE_TABLE = "sagemaker/core/image_uri_config/huggingface.json"
_DNS_SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
}
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
    """The PyTorch images of the SDK's Hugging Face table, purpose → transformers → PyTorch."""
    core = distribution("sagemaker-core")
    table = json.loads(Path(str(core.locate_file(_IMAGE_TABLE))).read_text(encoding="utf-8"))
    images = {
        purpose: {
            transformers: {
                framework.removeprefix("pytorch"): _image(image, table[purpose]["processors"])
                for framework, image in entry.items()
                if _has_tag(framework, image)
            }
            for transformers, entry in table[purpose]["versions"].items()
            if any(_has_tag(framework, image) for framework, image in entry.items())
        }
        for purpose in ("training", "inference")
    }
    return {
        "source": f"sagemaker-core {core.version} {_IMAGE_TABLE}",
        "dns_suffixes": _DNS_SUFFIXES,
        "images": images,
    }


def _has_tag(framework: str, image: Any) -> bool:
    # Two training images of 2021 carry no container version: their tags cannot be built from the table.
    return framework.startswith("pytorch") and "container_version" in image


def _image(image: dict[str, Any], processors: list[str]) -> dict[str, Any]:
    return {
        "py_versions": image["py_versions"],
        "repository": image["repository"],
        "container_version": {p: v for p, v in image["container_version"].items() if p in processors},
        "registries": image["registries"],
    }


def instance_types() -> dict[str, Any]:
    """The instance types that botocore knows for training and for hosting."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    training: Any = model.shape_for("TrainingInstanceType")
    hosting: Any = model.shape_for("ProductionVariantInstanceType")
    return {
        "source": f"botocore {botocore.__version__}",
        "training": list(training.enum),
        "hosting": list(hosting.enum),
    }


def service_regions() -> dict[str, Any]:
    """The regions that botocore knows, and per service that an environment needs those that have it."""
    partitions = botocore.session.get_session().get_component("data_loader").load_data("endpoints")["partitions"]
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


def main() -> None:
    """Writes the files."""
    for name, content in (
        ("dlc_catalog.json", dlc_catalog()),
        ("instance_types.json", instance_types()),
        ("service_regions.json", service_regions()),
    ):
        (_PACKAGE / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {name} from {content['source']}")


if __name__ == "__main__":
    main()
