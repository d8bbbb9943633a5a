"""ECR repositories and the CodeBuild projects that fill them."""

import json
from typing import Any

from botocore.exceptions import ClientError

from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    delete_if_there,
)


class Repository(ResourceType):
    type_name = "AWS::ECR::Repository"
    replaced_by = frozenset({"RepositoryName", "EncryptionConfiguration"})
    read_by_deletion = frozenset({"EmptyOnDelete"})

    def create(self, request: Request) -> Deployed:
        name = request.name("RepositoryName", longest=256, lower=True)
        arguments = request.arguments("ecr", "CreateRepository", repositoryName=name, tags=request.tags())
        arguments.pop("RepositoryName", None)
        repository = request.api("ecr").create_repository(**arguments)["repository"]
        attributes = {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]}
        deployed = Deployed(name, attributes)
        request.exists(deployed)
        self._set_policies(request, name, {})
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        ecr, name, now = request.api("ecr"), deployed.physical_id, request.properties
        ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability=now.get("ImageTagMutability", "MUTABLE"))
        scanning = now.get("ImageScanningConfiguration", {})
        scan_on_push = str(scanning.get("ScanOnPush", False)).lower() == "true"
        ecr.put_image_scanning_configuration(
            repositoryName=name, imageScanningConfiguration={"scanOnPush": scan_on_push}
        )
        self._set_policies(request, name, before)
        if request.tags():
            ecr.tag_resource(resourceArn=deployed.attributes["Arn"], tags=request.tags())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        force = str(request.properties.get("EmptyOnDelete", False)).lower() == "true"
        try:
            delete_if_there(request.api("ecr").delete_repository, repositoryName=deployed.physical_id, force=force)
        except ClientError as error:
            if error.response["Error"]["Code"] != "RepositoryNotEmptyException":
                raise
            raise ResourceError(
                f"The repository {deployed.physical_id} still has images: delete them first, or set EmptyOnDelete."
            ) from None

    def _set_policies(self, request: Request, name: str, before: Properties) -> None:
        ecr, now = request.api("ecr"), request.properties
        lifecycle = now.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
        if lifecycle:
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=lifecycle)
        elif before.get("LifecyclePolicy", {}).get("LifecyclePolicyText"):
            delete_if_there(ecr.delete_lifecycle_policy, repositoryName=name)
        policy = now.get("RepositoryPolicyText")
        if policy:
            text = policy if isinstance(policy, str) else json.dumps(policy)
            ecr.set_repository_policy(repositoryName=name, policyText=text)
        elif before.get("RepositoryPolicyText"):
            delete_if_there(ecr.delete_repository_policy, repositoryName=name)


class Project(ResourceType):
    type_name = "AWS::CodeBuild::Project"
    replaced_by = frozenset({"Name"})

    def create(self, request: Request) -> Deployed:
        name = request.name("Name", longest=255)
        arguments = self._arguments(request, "CreateProject", name)
        project = request.api("codebuild").create_project(**arguments)["project"]
        return Deployed(name, {"Arn": project["arn"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        arguments = self._arguments(request, "UpdateProject", deployed.physical_id)
        request.api("codebuild").update_project(**arguments)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("codebuild").delete_project, name=deployed.physical_id)

    def _arguments(self, request: Request, operation: str, name: str) -> dict[str, Any]:
        return request.arguments("codebuild", operation, Name=name, Tags=request.tags())


TYPES = (Repository, Project)
