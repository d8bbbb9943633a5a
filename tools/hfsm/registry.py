"""`hfsm models`: what the model registry knows of an environment's models."""

from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.cloud import Parameters
from hfsm.errors import WrongUseError


class Model(BaseModel):
    """One version of a model package group.

    approval: Approved, PendingManualApproval or Rejected. note: what was said with it. by: who changed it last, as far
        as the registry says; else who registered it.
    gate: the metric that let it into the registry, its value and the minimum.
    data: by channel, the version of what it was trained on and the place. image: what it was trained in, by its digest.
    metadata: all that the registry was told. created, changed: ISO 8601.
    """

    job_type: str
    version: int
    arn: str
    approval: str
    note: str = ""
    by: str = ""
    gate: str = ""
    data: dict[str, str] = {}
    image: str = ""
    created: str
    changed: str | None = None
    metadata: dict[str, str] = {}


class Models(BaseModel):
    """Of an environment: by job type, the newest first. deployed: job type → version that endpoints are to serve, where
    some follow it, or `none`."""

    schema_version: str = "1"
    environment: str
    models: list[Model] = []
    deployed: dict[str, str] = {}


def group_of(parameters: Parameters, job_type: str) -> str:
    """The model package group of a job type. WrongUseError: the environment has no such job type."""
    group = parameters.find(f"training/{job_type}/model-package-group")
    if group is None:
        exist = ", ".join(parameters.children("training")) or "none"
        raise WrongUseError(f"{parameters.environment} has no job type {job_type!r}. It has: {exist}.")
    return group


def models(parameters: Parameters, job_type: str | None, most: int) -> Models:
    """The newest versions. job_type: None: of all. WrongUseError: there is no such job type."""
    found = Models(environment=parameters.environment)
    for name in [job_type] if job_type else parameters.children("training"):
        arns = [each["ModelPackageArn"] for each in listed(parameters, group_of(parameters, name), most)]
        found.models += [describe(parameters, name, arn) for arn in arns]
        if deployed := parameters.find(f"models/{name}/approved"):
            found.deployed[name] = deployed
    return found


def listed(parameters: Parameters, group: str, most: int | None = None) -> list[dict[str, Any]]:
    """Summaries of a group's versions, the highest number first. most: None: all."""
    pages = parameters.cloud.client("sagemaker").get_paginator("list_model_packages")
    wanted = pages.paginate(ModelPackageGroupName=group, ModelPackageType="Versioned")
    found = [each for page in wanted for each in page["ModelPackageSummaryList"]]
    return sorted(found, key=lambda each: int(each["ModelPackageVersion"]), reverse=True)[:most]


def describe(parameters: Parameters, job_type: str, arn: str) -> Model:
    """One version, with all that the registry was told."""
    return model_of(parameters.cloud.client("sagemaker").describe_model_package(ModelPackageName=arn), job_type)


def model_of(described: dict[str, Any], job_type: str) -> Model:
    """From the answer of DescribeModelPackage."""
    metadata: dict[str, str] = described.get("CustomerMetadataProperties") or {}
    changed = described.get("LastModifiedTime")
    return Model(
        job_type=job_type,
        version=int(described["ModelPackageVersion"]),
        arn=described["ModelPackageArn"],
        approval=described.get("ModelApprovalStatus", ""),
        note=described.get("ApprovalDescription", ""),
        by=_who(described.get("LastModifiedBy") or described.get("CreatedBy") or {}),
        gate=metadata.get("gate", ""),
        data={name.removeprefix("data."): value for name, value in metadata.items() if name.startswith("data.")},
        image=metadata.get("training-image-uri", ""),
        created=f"{described['CreationTime']:%Y-%m-%dT%H:%M:%SZ}",
        changed=f"{changed:%Y-%m-%dT%H:%M:%SZ}" if changed else None,
        metadata=metadata,
    )


def _who(user: dict[str, Any]) -> str:
    """A person's session, or the profile in Studio. SageMaker says nothing of other callers; CloudTrail does."""
    arn = (user.get("IamIdentity") or {}).get("Arn", "")
    return str(arn.rpartition("/")[2] or user.get("UserProfileName", ""))


def short_hash(text: str) -> str:
    """The first twelve digits of the first SHA-256 in a text, or the text's first word."""
    before, found, after = text.partition("sha256:")
    return after[:12] if found else (before.split() or [""])[0]


def show(found: Models, console: Console) -> None:
    """Print it as a table."""
    if not found.models:
        console.print(Text(f"No model is registered in {found.environment}. `hfsm train` registers one."))
        return
    columns = ("job type", "version", "approval", "gate", "data", "image", "registered", "by", "note")
    table = Table(*columns, box=None, pad_edge=False)
    for model in found.models:
        serves = " (deployed)" if found.deployed.get(model.job_type) == str(model.version) else ""
        table.add_row(
            model.job_type,
            str(model.version),
            model.approval + serves,
            model.gate,
            short_hash(model.data.get("train", "")),
            short_hash(model.image),
            model.created,
            model.by,
            Text(model.note),
        )
    console.print(table)
