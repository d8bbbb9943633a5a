"""`hfsm lineage`: from data to endpoints and back, from what the registry, the job and the stack of endpoints say."""

import json
import re
from typing import Any, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel

from hfsm.cloud import Parameters
from hfsm.errors import WrongUseError
from hfsm.registry import Model, group_of, listed, model_of
from hfsm.status import FOLLOWS
from validate_training_request.data_versions import same, version

_PACKAGE = re.compile(r"^arn:[^:]+:sagemaker:[^:]+:\d{12}:model-package/([^/]+)/(\d+)$")
_VERSION = re.compile(
    r"^sha256:(?P<sha256>[0-9a-f]{64}) objects:(?P<objects>\d+) bytes:(?P<bytes>\d+)(?P<first> first-only)?"
)
_CODE = ("repository", "branch", "commit", "source")


class Data(BaseModel):
    """One channel, as it was when the run began.

    whole: False: only its first objects were looked at. sha256: None: nothing could be listed; `said` says why.
    now: whether it is the same today, where that was asked.
    """

    channel: str
    uri: str
    said: str
    sha256: str | None = None
    objects: int | None = None
    bytes: int | None = None
    whole: bool = True
    now: Literal["same", "changed", "unknown"] | None = None


class Job(BaseModel):
    """The training job. None of it is known when SageMaker does not know the job any more."""

    name: str
    status: str | None = None
    instances: str | None = None
    seconds: int | None = None
    model: str | None = None


class Lineage(BaseModel):
    """Of one model package.

    parent: what training began with; parent_package: ARN, where a registered model of this environment is that.
    children: ARNs of models that went on from this one. endpoints: that serve it now.
    """

    schema_version: str = "1"
    environment: str
    model: Model
    data: list[Data] = []
    code: dict[str, str] = {}
    image: str = ""
    job: Job | None = None
    execution: str = ""
    request_sha256: str = ""
    report: str = ""
    parent: str = ""
    parent_package: str | None = None
    checkpoints: str = ""
    children: list[str] = []
    endpoints: list[str] = []

    def text(self) -> str:
        """For people."""
        model, job = self.model, self.job
        lines = [f"{model.job_type} version {model.version}: {model.approval}{f', {model.note}' if model.note else ''}"]
        lines += [f"  {model.arn}", "made of"]
        lines += [f"  data {each.channel:<10} {_data_text(each)}" for each in self.data]
        parent = f"{self.parent} ({self.parent_package})" if self.parent_package else self.parent
        made_of = {
            "model": parent,
            "checkpoints": self.checkpoints,
            "code": " ".join(self.code.values()),
            "request": f"sha256:{self.request_sha256}" if self.request_sha256 else "",
            "image": self.image,
        }
        lines += [f"  {name:<15} {value}" for name, value in made_of.items() if value]
        lines.append("by")
        if job:
            known = ", ".join(filter(None, [job.status, job.instances, f"{job.seconds} s" if job.seconds else None]))
            lines.append(f"  {'training job':<15} {job.name} ({known or 'SageMaker does not know it any more'})")
        by = {"execution": self.execution, "report": self.report, "gate": model.gate}
        lines += [f"  {name:<15} {value}" for name, value in by.items() if value]
        lines.append("served by" if self.endpoints else "served by no endpoint of the settings")
        lines += [f"  {name}" for name in self.endpoints]
        if self.children:
            lines += ["went on in", *(f"  {arn}" for arn in self.children)]
        return "\n".join(lines)


def find(subject: str, parameters: Parameters, *, verify: bool = False) -> Lineage:
    """The lineage of a model.

    subject: the ARN of its package, `<job type>/<version>`, or an endpoint that serves it. verify: list its data again.
    WrongUseError: there is no such model.
    """
    job_type, arn = _package(subject, parameters)
    sagemaker = parameters.cloud.client("sagemaker")
    try:
        described = sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("ValidationException", "ResourceNotFound"):
            raise
        raise WrongUseError(f"The registry has no {arn}. `hfsm models {job_type}` lists what it has.") from None
    model = model_of(described, job_type)
    # The card has in full what the metadata may have cut.
    told = {**model.metadata, **_card_details(described)}
    job = _describe_job(sagemaker, told.get("training-job", ""))
    packages = _packages(parameters)
    parent, (data_of_model, _) = told.get("parent", ""), packages.get(arn, ("", ""))
    return Lineage(
        environment=parameters.environment,
        model=model,
        data=_data(parameters, told, job or {}, verify=verify),
        code={name: told[name] for name in _CODE if name in told},
        image=told.get("training-image-uri", ""),
        job=_job(told.get("training-job", ""), job),
        execution=told.get("execution", ""),
        request_sha256=told.get("request-sha256", ""),
        report=told.get("report", ""),
        parent=parent,
        parent_package=next(
            (each for each, (model_data, _) in packages.items() if parent and model_data == parent), None
        ),
        checkpoints=told.get("checkpoints", ""),
        children=[each for each, (_, began_with) in packages.items() if data_of_model and began_with == data_of_model],
        endpoints=[name for name, served in _served(parameters).items() if served == arn],
    )


def _package(subject: str, parameters: Parameters) -> tuple[str, str]:
    """Job type and ARN."""
    if match := _PACKAGE.match(subject):
        return match[1].removeprefix(f"{parameters.environment}-"), subject
    job_type, slash, number = subject.partition("/")
    if slash and number.isdecimal():
        for each in listed(parameters, group_of(parameters, job_type)):
            if int(each["ModelPackageVersion"]) == int(number):
                return job_type, str(each["ModelPackageArn"])
        raise WrongUseError(f"{job_type} has no version {number}. `hfsm models {job_type}` lists those that it has.")
    served = _served(parameters)
    names = [subject, f"{parameters.environment}-{subject}"]
    arn = next((served[name] for name in names if name in served), None)
    if arn is None:
        known = ", ".join(served) or "none"
        raise WrongUseError(
            f"{subject!r} is no model package, no <job type>/<version>, and no endpoint of {parameters.environment} "
            f"that serves a registered model. Such endpoints: {known}."
        )
    return _package(arn, parameters)


def _served(parameters: Parameters) -> dict[str, str]:
    """Endpoint, by its name in SageMaker → ARN of the package that it serves; of those that serve one.

    Of several, `<endpoint>:<variant or component>`.
    """
    found = {}
    for setting in parameters.children("inference"):
        said = parameters.find(f"inference/{setting}/model") or ""
        for each in said.split(", "):
            part, _, model = each.rpartition(": ")
            if arn := model if _PACKAGE.match(model) else _followed(parameters, setting, model):
                endpoint = parameters.get(f"inference/{setting}/endpoint-name")
                found[f"{endpoint}:{part}" if part else endpoint] = arn
    return found


def _followed(parameters: Parameters, setting: str, said: str) -> str | None:
    """The package of an endpoint that follows a job type: what the stack has read, not what it is to read next."""
    job_type = said.removeprefix(FOLLOWS)
    if job_type == said:
        return None
    name_of_stack = parameters.get(f"models/{job_type}/endpoints/{setting}")
    stack = parameters.cloud.client("cloudformation").describe_stacks(StackName=name_of_stack)
    name = f"{parameters.prefix}/models/{job_type}/approved"
    for each in stack["Stacks"][0].get("Parameters", []):
        if each["ParameterValue"] == name and each.get("ResolvedValue", "none") != "none":
            versions = listed(parameters, group_of(parameters, job_type))
            numbers = {str(one["ModelPackageVersion"]): str(one["ModelPackageArn"]) for one in versions}
            return numbers.get(each["ResolvedValue"])
    return None


def _packages(parameters: Parameters) -> dict[str, tuple[str, str]]:
    """ARN → where its model lies, and where the model lay that its training began with; of all of the environment."""
    sagemaker = parameters.cloud.client("sagemaker")
    found = {}
    for job_type in parameters.children("training"):
        for each in listed(parameters, group_of(parameters, job_type)):
            described = sagemaker.describe_model_package(ModelPackageName=each["ModelPackageArn"])
            containers = described.get("InferenceSpecification", {}).get("Containers") or [{}]
            told = {**(described.get("CustomerMetadataProperties") or {}), **_card_details(described)}
            found[str(each["ModelPackageArn"])] = str(containers[0].get("ModelDataUrl", "")), told.get("parent", "")
    return found


def _card_details(described: dict[str, Any]) -> dict[str, str]:
    content = json.loads((described.get("ModelCard") or {}).get("ModelCardContent") or "{}")
    details: dict[str, str] = content.get("additional_information", {}).get("custom_details", {})
    return details


def _describe_job(sagemaker: Any, name: str) -> dict[str, Any] | None:
    if not name:
        return None
    try:
        described: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("ValidationException", "ResourceNotFound"):
            raise
        return None
    return described


def _job(name: str, described: dict[str, Any] | None) -> Job | None:
    if described is None:
        return Job(name=name) if name else None
    resources = described["ResourceConfig"]
    return Job(
        name=name,
        status=described["TrainingJobStatus"],
        instances=f"{resources.get('InstanceCount', 1)} × {resources.get('InstanceType', 'several types')}",
        seconds=described.get("TrainingTimeInSeconds"),
        model=(described.get("ModelArtifacts") or {}).get("S3ModelArtifacts"),
    )


def _data(parameters: Parameters, told: dict[str, str], job: dict[str, Any], *, verify: bool) -> list[Data]:
    kinds = {
        each["ChannelName"]: (each["DataSource"].get("S3DataSource") or {}).get("S3DataType", "S3Prefix")
        for each in job.get("InputDataConfig", [])
    }
    found = []
    for name in sorted(each for each in told if each.startswith("data.")):
        channel = name.removeprefix("data.")
        data = parse_version(channel, told[name])
        if verify:
            data.now = _now(parameters, data, is_prefix=kinds.get(channel, "S3Prefix") == "S3Prefix")
        found.append(data)
    return found


def parse_version(channel: str, said: str) -> Data:
    """From the line that the registry was told, see `evaluate_model.registration.describe_version`."""
    uri = next((word for word in said.split(" ") if word.startswith("s3://")), "")
    match = _VERSION.match(said)
    if match is None:
        return Data(channel=channel, uri=uri, said=said)
    return Data(
        channel=channel,
        uri=uri,
        said=said,
        sha256=match["sha256"],
        objects=int(match["objects"]),
        bytes=int(match["bytes"]),
        whole=not match["first"],
    )


def _now(parameters: Parameters, data: Data, *, is_prefix: bool) -> Literal["same", "changed", "unknown"]:
    if data.sha256 is None or not data.uri:
        return "unknown"
    now = version(parameters.cloud.client("s3"), data.uri, is_prefix=is_prefix)
    then = {"sha256": data.sha256, "objects": data.objects, "whole": data.whole}
    is_same = same(then, now)
    if is_same is None:
        return "unknown"
    return "same" if is_same else "changed"


def _data_text(data: Data) -> str:
    if data.sha256 is None:
        return data.said
    extent = "" if data.whole else " at least"
    now = {"same": ", as it was", "changed": ", CHANGED since", "unknown": ", whether changed is not known", None: ""}
    return f"{data.uri}{extent} {data.objects} objects, {data.bytes} bytes, sha256:{data.sha256[:12]}{now[data.now]}"
