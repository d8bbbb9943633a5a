"""`hfsm status`: what an environment consists of and how it does, on one screen."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.cloud import Parameters

SHOWN_EXECUTIONS = 5
SHOWN_PACKAGES = 5
FOLLOWS = "approved "
"""How the model of an endpoint begins that follows a job type."""
WAITS = "waits for the first approved model"


class Stack(BaseModel):
    """One CloudFormation stack. updated: ISO 8601."""

    name: str
    status: str
    updated: str


class Image(BaseModel):
    """One container image.

    project: `none` where another environment builds it. build: status of the last build, `none` before the first, or
        `promoted`. tag: stands for its inputs, without the base's digest.
    digest: of the image that jobs run. None until one is built.
    """

    name: str
    project: str
    build: str
    tag: str
    digest: str | None


class Run(BaseModel):
    """One execution of a training state machine."""

    name: str
    status: str
    started: str


class JobType(BaseModel):
    """One kind of training job, its newest executions first."""

    name: str
    runs: list[Run]


class Package(BaseModel):
    """One version of a registered model. approval: Approved, PendingManualApproval or Rejected."""

    group: str
    arn: str
    approval: str
    created: str


class Endpoint(BaseModel):
    """One endpoint. model: what its settings serve; None: it was deployed before that was written down.

    instances: those that serve now. reason: why it failed.
    """

    name: str
    status: str
    model: str | None = None
    instance_type: str
    instances: int
    reason: str | None = None


class Status(BaseModel):
    """An environment. problems: what could not be asked, one sentence each; the rest is complete."""

    schema_version: str = "1"
    environment: str
    stacks: list[Stack] = []
    images: list[Image] = []
    job_types: list[JobType] = []
    packages: list[Package] = []
    endpoints: list[Endpoint] = []
    problems: list[str] = []


def status(parameters: Parameters) -> Status:
    """Ask for everything. What is refused for want of a permission is named, and does not hide the rest."""
    found = Status(environment=parameters.environment)

    def ask(what: str, question: Callable[[Parameters], list[Any]]) -> list[Any]:
        try:
            return question(parameters)
        except ClientError as error:
            details = error.response.get("Error", {})
            found.problems.append(f"{what}: {details.get('Code')}: {details.get('Message')}")
            return []

    found.stacks = ask("stacks", _stacks)
    found.images = ask("images", _images)
    found.job_types = ask("training", _job_types)
    found.packages = ask("model packages", _packages)
    found.endpoints = ask("endpoints", _endpoints)
    return found


def _stacks(parameters: Parameters) -> list[Stack]:
    pages = parameters.cloud.client("cloudformation").get_paginator("describe_stacks")
    stacks = [stack for page in pages.paginate() for stack in page["Stacks"]]
    return [
        Stack(
            name=stack["StackName"],
            status=stack["StackStatus"],
            updated=f"{stack.get('LastUpdatedTime') or stack['CreationTime']:%Y-%m-%dT%H:%M:%SZ}",
        )
        for stack in sorted(stacks, key=lambda stack: stack["CreationTime"])
        if stack["StackName"].startswith(f"{parameters.environment}-")
    ]


def _images(parameters: Parameters) -> list[Image]:
    code_build = parameters.cloud.client("codebuild")
    images = []
    for name in parameters.children("images"):
        digest = parameters.get(f"images/{name}/digest").partition("@")[2]
        project = parameters.find(f"images/{name}/project")
        if project is None:
            images.append(Image(name=name, project="none", build="promoted", tag="", digest=digest or None))
            continue
        builds = code_build.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"]
        build = code_build.batch_get_builds(ids=builds[:1])["builds"][0]["buildStatus"] if builds else "none"
        tag = parameters.get(f"images/{name}/uri").rsplit(":", 1)[1]
        images.append(Image(name=name, project=project, build=build, tag=tag, digest=digest or None))
    return images


def _job_types(parameters: Parameters) -> list[JobType]:
    step_functions = parameters.cloud.client("stepfunctions")
    job_types = []
    for name in parameters.children("training"):
        arn = parameters.get(f"training/{name}/state-machine-arn")
        listed = step_functions.list_executions(stateMachineArn=arn, maxResults=SHOWN_EXECUTIONS)["executions"]
        newest = sorted(listed, key=lambda execution: execution["startDate"], reverse=True)
        runs = [
            Run(name=run["name"], status=run["status"], started=f"{run['startDate']:%Y-%m-%dT%H:%M:%SZ}")
            for run in newest[:SHOWN_EXECUTIONS]
        ]
        job_types.append(JobType(name=name, runs=runs))
    return job_types


def _packages(parameters: Parameters) -> list[Package]:
    sagemaker = parameters.cloud.client("sagemaker")
    packages = []
    for job_type in parameters.children("training"):
        group = parameters.get(f"training/{job_type}/model-package-group")
        listed = sagemaker.list_model_packages(
            ModelPackageGroupName=group,
            SortBy="CreationTime",
            SortOrder="Descending",
            MaxResults=SHOWN_PACKAGES,
        )["ModelPackageSummaryList"]
        packages += [
            Package(
                group=group,
                arn=package["ModelPackageArn"],
                approval=package.get("ModelApprovalStatus", ""),
                created=f"{package['CreationTime']:%Y-%m-%dT%H:%M:%SZ}",
            )
            for package in listed
        ]
    return packages


def _endpoints(parameters: Parameters) -> list[Endpoint]:
    sagemaker = parameters.cloud.client("sagemaker")
    endpoints = []
    for setting in parameters.children("inference"):
        name = parameters.get(f"inference/{setting}/endpoint-name")
        model = _model(parameters, setting)
        try:
            described = sagemaker.describe_endpoint(EndpointName=name)
        except ClientError as error:
            # It follows a job type of which no model is approved yet.
            if model != WAITS or error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound"):
                raise
            endpoints.append(Endpoint(name=name, status="NotThere", model=model, instance_type="", instances=0))
            continue
        config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
        variants = config["ProductionVariants"]
        serving = described.get("ProductionVariants") or variants
        counts = [variant.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 0)) for variant in serving]
        endpoints.append(
            Endpoint(
                name=name,
                status=described["EndpointStatus"],
                model=model,
                instance_type=", ".join(name for variant in variants for name in _types(variant)),
                instances=sum(counts),
                reason=described.get("FailureReason"),
            )
        )
    return endpoints


def _model(parameters: Parameters, setting: str) -> str | None:
    """What the settings say of each of its models; where they follow a job type, the version that it stands for."""
    said = parameters.find(f"inference/{setting}/model")
    models = [_version(parameters, each) for each in said.split(", ")] if said is not None else [None]
    if None in models:
        return WAITS if said is not None else None
    return ", ".join(str(each) for each in models)


def _version(parameters: Parameters, said: str) -> str | None:
    """said: of one model, with the name of its variant or component before it. None: none is approved yet."""
    part, colon, model = said.rpartition(": ")
    job_type = model.removeprefix(FOLLOWS)
    if job_type == model:
        return said
    version = parameters.find(f"models/{job_type}/approved")
    return f"{part}{colon}{job_type}/{version} (approved)" if version not in (None, "none") else None


def _types(variant: dict[str, Any]) -> list[str]:
    pools = [str(pool["InstanceType"]) for pool in variant.get("InstancePools") or []]
    return pools or [str(variant.get("InstanceType", "serverless"))]


def show(found: Status, console: Console) -> None:
    """Print it as tables."""
    if not (found.stacks or found.images or found.job_types or found.endpoints):
        console.print(
            Text(
                f"Environment {found.environment} is not deployed here. Deploy it with `make deploy "
                f"ENV={found.environment}`."
            )
        )
    stacks = _table("stack", "status", "updated")
    for stack in found.stacks:
        stacks.add_row(stack.name, stack.status, stack.updated)
    images = _table("image", "project", "last build", "tag", "digest")
    for image in found.images:
        images.add_row(image.name, image.project, image.build, image.tag[:16], (image.digest or "none yet")[:19])
    runs = _table("job type", "execution", "status", "started")
    for job_type in found.job_types:
        for run in job_type.runs or [Run(name="none yet", status="", started="")]:
            runs.add_row(job_type.name, run.name, run.status, run.started)
    packages = _table("model package", "approval", "created")
    for package in found.packages:
        packages.add_row(package.arn.split(":model-package/")[-1], package.approval, package.created)
    endpoints = _table("endpoint", "status", "instance type", "instances", "model")
    for endpoint in found.endpoints:
        endpoints.add_row(
            endpoint.name, endpoint.status, endpoint.instance_type, str(endpoint.instances), endpoint.model or ""
        )
    for table in (stacks, images, runs, packages, endpoints):
        if table.row_count:
            console.print(table)
            console.print()
    for endpoint in found.endpoints:
        if endpoint.reason:
            console.print(Text(f"Endpoint {endpoint.name}: {endpoint.reason}"), soft_wrap=True)
    for problem in found.problems:
        console.print(Text(f"Could not be asked: {problem}"), soft_wrap=True)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
