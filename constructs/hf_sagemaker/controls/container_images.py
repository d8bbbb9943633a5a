"""Where containers and their images come from: models, registrations, training jobs, builds, functions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hf_sagemaker import dlc_catalog
from hf_sagemaker.controls.state_machines import state_machines
from hf_sagemaker.controls.subnets import MODEL
from hf_sagemaker.controls.templates import Resource, Templates

_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z.]+/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[A-Za-z0-9_.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


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

    resource: what holds it. place: where in it, for people.
    """

    resource: Resource
    place: str
    definition: Mapping[str, Any]

    @property
    def environment(self) -> Mapping[str, Any]:
        """Its variables; those whose value the definition leaves to its input are called `….$`."""
        return self.definition.get("Environment") or {}


def containers(templates: Templates) -> Iterator[Container]:
    """The containers of models, and those that state machines register or make models of."""
    for model in templates.resources(MODEL):
        found = [model.properties.get("PrimaryContainer"), *(model.properties.get("Containers") or [])]
        yield from (Container(model, "its container", container) for container in found if container)
    for machine in state_machines(templates):
        for name, task in machine.tasks:
            parameters = task.get("Parameters", {})
            found = [parameters.get("PrimaryContainer"), *parameters.get("Containers", [])]
            found += parameters.get("InferenceSpecification", {}).get("Containers", [])
            yield from (Container(machine.resource, f"state {name}", container) for container in found if container)


def images(templates: Templates) -> Iterator[Image]:
    """Every image that the templates name, and for those left to a machine's input, the expression."""
    for container in containers(templates):
        if "ModelPackageName" not in container.definition:
            uri = container.definition.get("Image", container.definition.get("Image.$"))
            yield Image(container.resource, container.place, uri)
    for machine in state_machines(templates):
        for name, task in machine.training_tasks:
            algorithm = task.get("Parameters", {}).get("AlgorithmSpecification", {})
            uri = algorithm.get("TrainingImage", algorithm.get("TrainingImage.$"))
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


def own_repository(templates: Templates, image: Image) -> Resource | None:
    """The repository of this environment that holds the image."""
    found = templates.find(image.uri)
    return found if found is not None and found.type == "AWS::ECR::Repository" else None


def is_published(image: Image) -> bool:
    """Whether it is one of the Deep Learning Containers that AWS publishes, from the registry for its region."""
    parts = image.parts
    if parts is None or parts["account"] not in dlc_catalog.registries(str(parts["region"])):
        return False
    return parts["tag"] in dlc_catalog.tags(str(parts["repository"]))
