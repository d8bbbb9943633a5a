"""Where an endpoint's model comes from, and what is put beside it.

Never imports aws_cdk, see stacks/settings.py.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from hf_sagemaker.compatibility import isolation_problems, task_problem
from hf_sagemaker.dlc_catalog import Product
from hf_sagemaker.inference_code import code_problems
from stacks.access_settings import HubSettings, ReadOnlyBucket
from stacks.image_settings import FOLDER
from stacks.settings_base import Name, Problem, Settings

_PACKAGE = r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/[A-Za-z0-9-]+/\d+$"
_HUB = r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*@[0-9a-f]{40}$"
_S3 = r"^(s3://[a-z0-9.-]+/)?[A-Za-z0-9!_.*'()=+-][A-Za-z0-9!_.*'()=+/-]*(/|\.tar\.gz)$"
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_TOOLKIT: tuple[Product, ...] = ("inference",)
"""Images that serve a task and run code/inference.py. Others are servers of one kind."""


class ModelSettings(Settings):
    """Where an endpoint's model comes from: one of `model_package`, `approved`, `hub` and `s3`."""

    model_package: Annotated[str, Field(pattern=_PACKAGE)] | None = None
    """ARN of an approved version in the model registry. It names image, task and code by itself."""
    approved: Name | None = None
    """A job type of this environment: the approved version of it that has the highest number. The endpoint follows each
    approval and rejection by itself; it is there from the first approval on."""
    hub: Annotated[str, Field(pattern=_HUB, examples=["google-bert/bert-base-uncased@86b5e0934494…"])] | None = None
    """A model that the mirror has brought, with its commit: namespace/name@ and 40 hexadecimal digits. One of
    `hub.models`."""
    s3: Annotated[str, Field(pattern=_S3, max_length=1024)] | None = None
    """A model in S3: a key in this environment's models bucket (trained/…/model.tar.gz), or s3://bucket/key in one of
    data.read_only_buckets. An archive ends in .tar.gz; a prefix, served as it is, in a slash."""
    task: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    """The transformers pipeline task that is served (HF_TASK). Required with `hub` and `s3`. An image of TEI knows the
    task from the model; one that is named here is checked against those that TEI serves."""
    code: Annotated[Path | None, Field(description="path, relative to this file")] = None
    """A folder with inference.py, and modules beside it, to put into a model of `hub` or `s3` as code/. A change gives
    another package; none is ever overwritten."""

    @field_validator("code")
    @classmethod
    def _usable(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        beside = Path((info.context or {}).get(FOLDER, ".")).resolve()
        folder = (beside / value).resolve()
        if folder == beside:
            raise ValueError("must be a folder of its own: that of the environments holds more than inference code")
        if problems := code_problems(folder):
            raise ValueError(" ".join(problems))
        return folder

    @property
    def is_registered(self) -> bool:
        """Whether the registry names what it is served with."""
        return self.model_package is not None or self.approved is not None

    @property
    def hub_model(self) -> tuple[str, str]:
        """Name and commit of the model of `hub`."""
        name, _, commit = (self.hub or "").partition("@")
        return name, commit

    @property
    def place(self) -> tuple[str | None, str]:
        """Bucket and key of `s3`. None: the environment's models bucket."""
        value = self.s3 or ""
        if not value.startswith("s3://"):
            return None, value
        bucket, _, key = value.removeprefix("s3://").partition("/")
        return bucket, key


def model_problems(
    path: str,
    model: ModelSettings,
    *,
    hub: HubSettings,
    read_only: list[ReadOnlyBucket],
    isolated: bool,
    leaves_vpc: bool,
    product: Product | None,
    job_types: list[str],
) -> list[Problem]:
    """What no field of a model can know.

    path: of the model in the file. isolated, leaves_vpc: see compatibility.isolation_problems.
    product: of the endpoint's image. None: it is not known, which is told elsewhere.
    job_types: names of the environment's.
    """
    sources = [name for name in ("model_package", "approved", "hub", "s3") if getattr(model, name) is not None]
    found: list[Problem] = []
    if len(sources) != 1:
        found.append((path, sources, "must name exactly one of model_package, approved, hub and s3"))
    if model.approved and model.approved not in job_types:
        known = ", ".join(job_types) or "none"
        found.append((f"{path}.approved", model.approved, f"must be a job type of training.job_types: {known}"))
    if model.hub and not _is_mirrored(model, hub):
        name, commit = model.hub_model
        found.append(
            (
                f"{path}.hub",
                model.hub,
                f"must be a model of hub.models, which the mirror brings: add {{id: {name}, revision: {commit}}} "
                f"there, deploy, then `hfsm mirror {name}`",
            )
        )
    bucket = model.place[0]
    if bucket and bucket not in [each.name for each in read_only]:
        found.append(
            (
                f"{path}.s3",
                model.s3,
                "must lie in a bucket of data.read_only_buckets; in the models bucket of this environment it is named "
                "by its key alone, without s3:// and the bucket",
            )
        )
    if model.is_registered:
        found += _of_registered(path, model)
    elif sources and product in _TOOLKIT and not model.task:
        found.append((f"{path}.task", None, "must be the pipeline task to serve, for example text-classification"))
    elif product and model.task and (problem := task_problem(product, model.task)):
        found.append((f"{path}.task", model.task, problem))
    return found + _of_code(path, model, isolated=isolated, leaves_vpc=leaves_vpc, product=product)


def _is_mirrored(model: ModelSettings, hub: HubSettings) -> bool:
    """A branch or tag stands for the commit that it was when it was brought, which only the bucket knows."""
    name, commit = model.hub_model
    return any(each.id == name and (each.revision == commit or not _COMMIT.match(each.revision)) for each in hub.models)


def _of_registered(path: str, model: ModelSettings) -> list[Problem]:
    reasons = {
        "task": "must be left out with model_package and approved: the registered model names it",
        "code": "must be left out with model_package and approved: what was registered, and approved, is what is "
        "served. Pack the model with its code (`hfsm package`), or let the training write code/ beside it, and "
        "register that",
    }
    return [(f"{path}.{name}", value, why) for name, why in reasons.items() if (value := getattr(model, name))]


def _of_code(
    path: str, model: ModelSettings, *, isolated: bool, leaves_vpc: bool, product: Product | None
) -> list[Problem]:
    if model.code is None or model.is_registered:
        return []
    files = [file.name for file in model.code.iterdir()]
    problems = isolation_problems(isolated=isolated, leaves_vpc=leaves_vpc, environment={}, files=files)
    if product and product not in _TOOLKIT:
        problems.append(f"must be left out: an image of {product} is a server of its own and runs no inference.py")
    return [(f"{path}.code", model.code, problem) for problem in problems]
