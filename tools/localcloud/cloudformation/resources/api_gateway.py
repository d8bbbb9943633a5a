"""REST APIs of API Gateway: what they are made of, and the stages on which they answer."""

from collections.abc import Iterator
from typing import Any

from moto.apigateway.models import RestAPI, apigateway_backends

from localcloud.cloudformation.api_shapes import accepted
from localcloud.cloudformation.resource import (
    Deployed,
    ImmutableResource,
    Properties,
    Request,
    ResourceType,
    delete_if_there,
)

SERVICE = "apigateway"


def _api(request: Request) -> Any:
    return request.api(SERVICE)


def _replace(path: str, value: Any) -> dict[str, str]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return {"op": "replace", "path": path, "value": text}


class RestApi(ResourceType):
    """One that is written as resources; an OpenAPI document is not read."""

    type_name = "AWS::ApiGateway::RestApi"

    def create(self, request: Request) -> Deployed:
        arguments = request.arguments(SERVICE, "CreateRestApi", tags=request.tag_map() or None)
        made = _api(request).create_rest_api(**arguments)
        deployed = Deployed(made["id"], {"RestApiId": made["id"], "RootResourceId": made["rootResourceId"]})
        request.exists(deployed)
        self._keep(request, deployed)
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._keep(request, deployed)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(_api(request).delete_rest_api, restApiId=deployed.physical_id)

    def _keep(self, request: Request, deployed: Deployed) -> None:
        """Not by UpdateRestApi: moto's takes "false" for true, and one binary media type at most."""
        arguments = request.arguments(SERVICE, "CreateRestApi", tags=request.tag_map())
        model: RestAPI = apigateway_backends[request.api.account][request.api.region].apis[deployed.physical_id]
        for name, value in arguments.items():
            setattr(model, _MEMBERS.get(name, name), value)


_MEMBERS = {"endpointConfiguration": "endpoint_configuration", "apiKeySource": "api_key_source"}
"""Of moto's model, where they are not spelled as the API spells them."""


class ApiResource(ImmutableResource):
    """A path."""

    type_name = "AWS::ApiGateway::Resource"

    def create(self, request: Request) -> Deployed:
        # The API's words for the two ids in its path are smaller.
        own = {"restApiId": request.properties["RestApiId"], "parentId": request.properties["ParentId"]}
        made = _api(request).create_resource(**own, pathPart=request.properties["PathPart"])
        return Deployed(made["id"], {"ResourceId": made["id"]})

    def delete(self, request: Request, deployed: Deployed) -> None:
        ids = {"restApiId": request.properties["RestApiId"], "resourceId": deployed.physical_id}
        delete_if_there(_api(request).delete_resource, **ids)


class Method(ResourceType):
    """A verb of a path, with what answers it."""

    type_name = "AWS::ApiGateway::Method"
    replaced_by = frozenset({"RestApiId", "ResourceId", "HttpMethod"})

    def create(self, request: Request) -> Deployed:
        ids = self._ids(request)
        _api(request).put_method(**request.arguments(SERVICE, "PutMethod", **ids))
        for response in request.properties.get("MethodResponses") or ():
            _api(request).put_method_response(**ids, **self._shaped(request, "PutMethodResponse", response))
        if integration := request.properties.get("Integration"):
            own = {**integration, "httpMethod": ids["httpMethod"]}
            own["integrationHttpMethod"] = integration.get("IntegrationHttpMethod")
            answers = own.pop("IntegrationResponses", None) or ()
            _api(request).put_integration(**self._shaped(request, "PutIntegration", {**own, **ids}))
            for answer in answers:
                said = self._shaped(request, "PutIntegrationResponse", answer)
                _api(request).put_integration_response(**ids, **said)
        return Deployed("|".join(ids.values()))

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        _api(request).delete_method(**self._ids(request))
        return self.create(request)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(_api(request).delete_method, **self._ids(request))

    def _ids(self, request: Request) -> dict[str, str]:
        properties = request.properties
        return {
            "restApiId": properties["RestApiId"],
            "resourceId": properties["ResourceId"],
            "httpMethod": properties["HttpMethod"],
        }

    def _shaped(self, request: Request, operation: str, said: Properties) -> Properties:
        return accepted(_api(request), operation, said, request.properties.lost)


class Deployment(ResourceType):
    """A snapshot, of which nothing is kept here: a stage answers with what the API is now."""

    type_name = "AWS::ApiGateway::Deployment"
    replaced_by = frozenset({"RestApiId", "StageName", "StageDescription", "DeploymentCanarySettings"})

    def create(self, request: Request) -> Deployed:
        made = _api(request).create_deployment(**request.arguments(SERVICE, "CreateDeployment"))
        return Deployed(made["id"], {"DeploymentId": made["id"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        model = apigateway_backends[request.api.account][request.api.region].apis[request.properties["RestApiId"]]
        model.deployments[deployed.physical_id].description = request.properties.get("Description", "")
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        ids = {"restApiId": request.properties["RestApiId"], "deploymentId": deployed.physical_id}
        delete_if_there(_api(request).delete_deployment, **ids)


class Stage(ResourceType):
    """`Ref` answers its name."""

    type_name = "AWS::ApiGateway::Stage"
    replaced_by = frozenset({"RestApiId", "StageName"})

    def create(self, request: Request) -> Deployed:
        arguments = request.arguments(SERVICE, "CreateStage", tags=request.tag_map() or None)
        _api(request).create_stage(**arguments)
        deployed = Deployed(request.properties["StageName"])
        request.exists(deployed)
        return self._settle(request, deployed)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self._settle(request, deployed)

    def delete(self, request: Request, deployed: Deployed) -> None:
        ids = {"restApiId": request.properties["RestApiId"], "stageName": deployed.physical_id}
        delete_if_there(_api(request).delete_stage, **ids)

    def _settle(self, request: Request, deployed: Deployed) -> Deployed:
        ids = {"restApiId": request.properties["RestApiId"], "stageName": deployed.physical_id}
        _api(request).update_stage(**ids, patchOperations=list(_of_stage(request.properties)))
        return deployed


_SETTINGS = {
    "LoggingLevel": "logging/loglevel",
    "DataTraceEnabled": "logging/dataTrace",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
    "CachingEnabled": "caching/enabled",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CacheDataEncrypted": "caching/dataEncrypted",
}


def _of_stage(properties: Properties) -> Iterator[dict[str, str]]:
    """What UpdateStage is told."""
    yield _replace("/deploymentId", properties["DeploymentId"])
    yield _replace("/description", properties.get("Description", ""))
    yield _replace("/tracingEnabled", properties.get("TracingEnabled", False))
    if logs := properties.get("AccessLogSetting"):
        yield _replace("/accessLogSettings/destinationArn", logs["DestinationArn"])
        yield _replace("/accessLogSettings/format", logs["Format"])
    for settings in properties.get("MethodSettings") or ():
        # In a path of a path, a slash is ~1; the root of all methods is *.
        path = settings.get("ResourcePath", "/*").removeprefix("/").replace("/", "~1") or "~1"
        for name, key in _SETTINGS.items():
            if name in settings:
                yield _replace(f"/{path}/{settings.get('HttpMethod', '*')}/{key}", settings[name])


class Account(ResourceType):
    """The region's settings, of which there is one; a deletion leaves them, as on AWS."""

    type_name = "AWS::ApiGateway::Account"
    read_by_deletion = frozenset({"CloudWatchRoleArn"})

    def create(self, request: Request) -> Deployed:
        role = request.properties.get("CloudWatchRoleArn", "")
        _api(request).update_account(patchOperations=[_replace("/cloudwatchRoleArn", role)])
        return Deployed(f"{request.stack_name}-{request.logical_id}", {"Id": request.logical_id})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self.create(request)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        """Nothing is done."""


TYPES = (RestApi, ApiResource, Method, Deployment, Stage, Account)
