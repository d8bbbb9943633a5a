"""SageMaker's models, endpoint configurations, endpoints and model package groups."""

import time
from typing import Any

from botocore.exceptions import ClientError

from localcloud.cloudformation.resource import (
    Deployed,
    ImmutableResource,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    delete_if_there,
    without_tags,
)

POLL_SECONDS = 0.5
# Beyond what any model on one machine needs; an endpoint that neither comes up nor fails must not block for ever.
STABLE_WITHIN_SECONDS = 1800.0
# Statuses of an endpoint that SageMaker neither updates nor deletes.
IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack")


class ModelPackageGroup(ResourceType):
    type_name = "AWS::SageMaker::ModelPackageGroup"
    replaced_by = frozenset({"ModelPackageGroupName", "ModelPackageGroupDescription"})

    def create(self, request: Request) -> Deployed:
        name = request.properties["ModelPackageGroupName"]
        arn = request.api("sagemaker").create_model_package_group(
            **request.arguments("sagemaker", "CreateModelPackageGroup", Tags=request.tags())
        )["ModelPackageGroupArn"]
        attributes = {
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupName": name,
            "ModelPackageGroupStatus": "Completed",
        }
        return Deployed(arn, attributes)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        if request.tags():
            request.api("sagemaker").add_tags(ResourceArn=deployed.physical_id, Tags=request.tags())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(
            request.api("sagemaker").delete_model_package_group,
            ModelPackageGroupName=request.properties["ModelPackageGroupName"],
        )


class Model(ImmutableResource):
    type_name = "AWS::SageMaker::Model"

    def create(self, request: Request) -> Deployed:
        name = request.name("ModelName", longest=63)
        arn = request.api("sagemaker").create_model(
            **request.arguments("sagemaker", "CreateModel", ModelName=name, Tags=request.tags())
        )["ModelArn"]
        return Deployed(arn, {"ModelName": name})

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("sagemaker").delete_model, ModelName=deployed.attributes["ModelName"])


class EndpointConfig(ImmutableResource):
    type_name = "AWS::SageMaker::EndpointConfig"

    def create(self, request: Request) -> Deployed:
        name = request.name("EndpointConfigName", longest=63)
        arguments = request.arguments("sagemaker", "CreateEndpointConfig", EndpointConfigName=name, Tags=request.tags())
        arn = request.api("sagemaker").create_endpoint_config(**arguments)["EndpointConfigArn"]
        return Deployed(arn, {"EndpointConfigName": name})

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(
            request.api("sagemaker").delete_endpoint_config,
            EndpointConfigName=deployed.attributes["EndpointConfigName"],
        )


class Endpoint(ResourceType):
    """Created or updated when it is InService; a failure's reason is the resource's."""

    type_name = "AWS::SageMaker::Endpoint"
    replaced_by = frozenset({"EndpointName"})
    read_by_deletion = frozenset(  # by updates, rather: a creation has nothing to retain
        {"RetainAllVariantProperties", "ExcludeRetainedVariantProperties", "RetainDeploymentConfig"}
    )

    def create(self, request: Request) -> Deployed:
        name = request.name("EndpointName", longest=63)
        arn = request.api("sagemaker").create_endpoint(
            **request.arguments("sagemaker", "CreateEndpoint", EndpointName=name, Tags=request.tags())
        )["EndpointArn"]
        deployed = Deployed(arn, {"EndpointName": name})
        request.exists(deployed)
        self._wait(request, name)
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        """UpdateEndpoint where the configuration is another one; how it is updated matters then only.

        Raises ClientError: there is no such endpoint any more, as on AWS.
        """
        client, name = request.api("sagemaker"), deployed.attributes["EndpointName"]
        arguments = request.arguments("sagemaker", "UpdateEndpoint", EndpointName=name)
        if client.describe_endpoint(EndpointName=name).get("EndpointConfigName") != arguments["EndpointConfigName"]:
            client.update_endpoint(**arguments)
            self._wait(request, name)
        gone = without_tags(before.get("Tags", []), request.tags())
        if gone:
            client.delete_tags(ResourceArn=deployed.physical_id, TagKeys=gone)
        if request.tags():
            client.add_tags(ResourceArn=deployed.physical_id, Tags=request.tags())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        client, name = request.api("sagemaker"), deployed.attributes["EndpointName"]
        deadline = time.monotonic() + STABLE_WITHIN_SECONDS
        while time.monotonic() < deadline and (found := self._describe(request, name)) is not None:
            if found["EndpointStatus"] not in (*IN_PROGRESS, "Deleting"):
                delete_if_there(client.delete_endpoint, EndpointName=name)
            time.sleep(POLL_SECONDS)

    def _wait(self, request: Request, name: str) -> None:
        """Until it is InService with the wanted configuration; raises ResourceError with the FailureReason."""
        deadline = time.monotonic() + STABLE_WITHIN_SECONDS
        wanted = request.properties["EndpointConfigName"]
        while time.monotonic() < deadline:
            answer = self._describe(request, name)
            if answer is None:
                raise ResourceError(f"The endpoint {name} was deleted while it was being created.")
            status, reason = answer["EndpointStatus"], answer.get("FailureReason")
            if status == "InService" and answer.get("EndpointConfigName") == wanted:
                return
            # A failed update leaves the endpoint in service with what it had before.
            if status in ("Failed", "UpdateRollbackFailed", "OutOfService", "InService"):
                raise ResourceError(f"The endpoint {name} is {status}: {reason or 'no reason was given'}")
            time.sleep(POLL_SECONDS)
        raise ResourceError(f"The endpoint {name} was not in service after {STABLE_WITHIN_SECONDS:.0f} s.")

    def _describe(self, request: Request, name: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = request.api("sagemaker").describe_endpoint(EndpointName=name)
        except ClientError as error:
            if "Could not find" in str(error) or "NotFound" in str(error):
                return None
            raise
        return answer


TYPES = (ModelPackageGroup, Model, EndpointConfig, Endpoint)
