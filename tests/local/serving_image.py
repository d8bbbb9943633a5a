"""The inference image as settings have it, built and pushed without CodeBuild."""

import os
import uuid
from pathlib import Path
from typing import Any

from hf_sagemaker import dlc_catalog
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.serving import Serving
from localcloud.images.build import ImageBuild
from localcloud.images.store import ImageStore, manifest_of

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def serving_image(running: Any, serving: Serving, folder: Path) -> str:
    """`<repository>@<digest>`, in a new repository. folder: for its build context."""
    base = dlc_catalog.resolve("inference", transformers="4.51.3", region="us-east-1")
    extension = ImageExtension(purpose="inference", base=base, serving=serving)
    extension.write_context(folder)
    store = ImageStore(Path(os.environ.get("HFSM_IMAGE_STORE") or running.state_dir / "images"))
    built = ImageBuild(
        store=store,
        requirements_dir=REQUIREMENTS,
        context=folder,
        dockerfile=folder / extension.dockerfile_path,
        build_args={"BASE_IMAGE": base.uri},
    ).run()
    ecr, name = running.client("ecr"), f"tests/serving-{uuid.uuid4().hex[:8]}"
    uri = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
    manifest = manifest_of(built.config)
    ecr.put_image(repositoryName=name, imageTag="1", imageManifest=manifest, imageDigest=built.digest)
    return f"{uri}@{built.digest}"
