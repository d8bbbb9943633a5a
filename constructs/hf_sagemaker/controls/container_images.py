"""Where containers and their images come from: models, registrations, training jobs, builds, functions."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hf_sagemaker import dlc_catalog
from hf_sagemaker.controls.image_guards import patterns_of
from hf_sagemaker.controls.jobs import as_training
from hf_sagemaker.controls.state_machines import Graph, State, StateMachine, job_kind, state_machines
from hf_sagemaker.controls.subnets import MODEL
from hf_sagemaker.controls.templates import Resource, Templates

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z.]+/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[A-Za-z0-9_.-]+))?"
    # A digest, or what follows the @ in what only a deployment knows: a digest, or the address is none.
    r"(?:@(?P<digest>sha256:(?:[0-9a-f]{64}|\*)|\$\{[^}]+\[@1\]\}))?"
)
_ONLY_DIGEST_OPEN = re.compile(r"[^*]+@sha256:\*")


@dataclass(frozen=True)
class Image:
    """An image that something runs or builds upon.

    resource: what uses it. place: where in it, for people. uri: as the template has it.
    """

    resource: Resource
    place: str
    uri: Any

    @property
    def parts(self) -> Mapping[str, str | None] | None:
        """`account`, `region`, `repository`, `tag` and `digest`; None when it is no image in ECR."""
        found = _URI.fullmatch(self.uri) if isinstance(self.uri, str) else None
        return found.groupdict() if found else None


@dataclass(frozen=True)
class Container:
    """A serving container that the templates describe, with its variables.

    resource: what holds it. place: where in it, for people. image: its image as the template has it, or for one that is
    left to a machine's input, what the machine knows of it for sure: a container for each that it may be.
    """

    resource: Resource
    place: str
    definition: Mapping[str, Any]
    image: Any = None

    @property
    def environment(self) -> Mapping[str, Any]:
        """Its variables; those whose value the definition leaves to its input are called `….$`."""
        return self.definition.get("Environment") or {}


def containers(templates: Templates) -> Iterator[Container]:
    """The containers of models, and those that state machines register or make models of."""
    for model in templates.resources(MODEL):
        found = [model.properties.get("PrimaryContainer"), *(model.properties.get("Containers") or [])]
        yield from (Container(model, "its container", each, each.get("Image")) for each in found if each)
    for machine in state_machines(templates):
        for graph, name, task in _tasks(machine):
            parameters = task.get("Parameters", {})
            found = [parameters.get("PrimaryContainer"), *parameters.get("Containers", [])]
            found += parameters.get("InferenceSpecification", {}).get("Containers", [])
            for each in found:
                for image in _images(graph, name, each, "Image") if each else ():
                    yield Container(machine.resource, f"state {name}", each, image)


def images(templates: Templates) -> Iterator[Image]:
    """Every image that the templates name; of those left to a machine's input, what the machine knows for sure."""
    for container in containers(templates):
        if "ModelPackageName" not in container.definition:
            yield Image(container.resource, container.place, container.image)
    for machine in state_machines(templates):
        for graph, name, task in _tasks(machine):
            kind = job_kind(task)
            if kind and (algorithm := as_training(task, kind).get("AlgorithmSpecification")):
                for uri in _images(graph, name, algorithm, "TrainingImage"):
                    yield Image(machine.resource, f"state {name}", uri)
    for project in templates.resources("AWS::CodeBuild::Project"):
        environment = project.properties.get("Environment", {})
        if not str(environment.get("Image")).startswith("aws/codebuild/"):
            yield Image(project, "its build image", environment.get("Image"))
        for variable in environment.get("EnvironmentVariables", []):
            # What a build starts from is given to it as BASE_IMAGE, or under another name but as an image's address.
            image = Image(project, f"its variable {variable['Name']}", variable["Value"])
            if variable["Name"] == "BASE_IMAGE" or (image.parts and (image.parts["tag"] or image.parts["digest"])):
                yield image
    for function in templates.resources("AWS::Lambda::Function"):
        if "ImageUri" in function.properties.get("Code", {}):
            yield Image(function, "its code", function.properties["Code"]["ImageUri"])


def _tasks(machine: StateMachine) -> Iterator[tuple[Graph, str, State]]:
    for graph in machine.graphs:
        yield from ((graph, name, state) for name, state in graph["States"].items() if state["Type"] == "Task")


def _images(graph: Graph, state: str, definition: Mapping[str, Any], member: str) -> list[Any]:
    """The address; for a path into the input the patterns that it may match, which leave nothing open but the digest,
    or the path itself."""
    path = definition.get(f"{member}.$")
    if path is None:
        return [definition.get(member)]
    patterns = sorted(patterns_of(graph, state, str(path)))
    return patterns if patterns and all(_ONLY_DIGEST_OPEN.fullmatch(pattern) for pattern in patterns) else [path]


def own_repository(templates: Templates, image: Image) -> Resource | None:
    """The repository of this environment that holds the image."""
    found = templates.find(image.uri)
    return found if found is not None and found.type == "AWS::ECR::Repository" else None


def is_promoted(templates: Templates, image: Image) -> bool:
    """Whether another environment builds it, and this one runs what was promoted: by rules that a deployment wrote."""
    parts, names = image.parts or {}, f"/hf-sagemaker/{templates.name}/images/"
    if parts.get("digest") is None:
        return False
    for parameter in templates.resources("AWS::SSM::Parameter"):
        name = str(parameter.properties.get("Name"))
        if name.startswith(names) and name.endswith("/promotion-rules"):
            rules = json.loads(parameter.properties["Value"])
            if (rules["account"], rules["repository"]) == (parts["account"], parts["repository"]):
                return True
    return False


def is_published(image: Image) -> bool:
    """Whether it is one of the Deep Learning Containers that AWS publishes, from the registry for its region."""
    parts = image.parts
    if parts is None or parts["account"] not in dlc_catalog.registries(str(parts["region"])):
        return False
    return parts["tag"] in dlc_catalog.tags(str(parts["repository"]))
