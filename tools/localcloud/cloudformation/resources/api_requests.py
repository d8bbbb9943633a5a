"""What an API of API Gateway asks of those who call it: validators, models, usage plans."""

from typing import Any

from moto.apigateway.models import apigateway_backends

from localcloud.cloudformation.api_shapes import accepted
from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType, delete_if_there

SERVICE = "apigateway"


class RequestValidator(ResourceType):
    type_name = "AWS::ApiGateway::RequestValidator"
    replaced_by = frozenset({"RestApiId", "Name"})

    def create(self, request: Request) -> Deployed:
        made = request.api(SERVICE).create_request_validator(**request.arguments(SERVICE, "CreateRequestValidator"))
        return Deployed(made["id"], {"RequestValidatorId": made["id"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        operations = [
            {"op": "replace", "path": f"/{name[0].lower()}{name[1:]}", "value": str(bool(value)).lower()}
            for name in ("ValidateRequestBody", "ValidateRequestParameters")
            if (value := request.properties.get(name)) is not None
        ]
        request.api(SERVICE).update_request_validator(**self._ids(request, deployed), patchOperations=operations)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api(SERVICE).delete_request_validator, **self._ids(request, deployed))

    def _ids(self, request: Request, deployed: Deployed) -> dict[str, str]:
        return {"restApiId": request.properties["RestApiId"], "requestValidatorId": deployed.physical_id}


class Model(ResourceType):
    """`Ref` answers its name. Bodies are not held against its schema here."""

    type_name = "AWS::ApiGateway::Model"
    replaced_by = frozenset({"RestApiId", "Name", "ContentType"})

    def create(self, request: Request) -> Deployed:
        # Of letters and digits only.
        name = request.properties.get("Name") or request.name("Name").replace("-", "")
        arguments = request.arguments(SERVICE, "CreateModel", name=name)
        request.api(SERVICE).create_model(**arguments)
        return Deployed(name)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        arguments = request.arguments(SERVICE, "CreateModel", name=deployed.physical_id)
        # Not by UpdateModel, which moto lacks.
        api = apigateway_backends[request.api.account][request.api.region].apis[request.properties["RestApiId"]]
        model: Any = api.models[deployed.physical_id]
        model.schema, model.description = arguments.get("schema", ""), arguments.get("description", "")
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        ids = {"restApiId": request.properties["RestApiId"], "modelName": deployed.physical_id}
        delete_if_there(request.api(SERVICE).delete_model, **ids)


class UsagePlan(ResourceType):
    type_name = "AWS::ApiGateway::UsagePlan"

    def create(self, request: Request) -> Deployed:
        made = request.api(SERVICE).create_usage_plan(**self._arguments(request))
        return Deployed(made["id"], {"Id": made["id"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        # Not by UpdateUsagePlan, which moto takes in parts.
        model: Any = apigateway_backends[request.api.account][request.api.region].usage_plans[deployed.physical_id]
        said = self._arguments(request)
        model.name, model.description = said["name"], said.get("description")
        model.api_stages, model.quota = said.get("apiStages", []), said.get("quota", {})
        model.throttle = said.get("throttle", {})
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api(SERVICE).delete_usage_plan, usagePlanId=deployed.physical_id)

    def _arguments(self, request: Request) -> Properties:
        """CloudFormation's word for the name is longer than the API's."""
        said = {name: value for name, value in request.properties.items() if name != "UsagePlanName"}
        request.properties.read.update(request.properties)
        said |= {"name": request.name("UsagePlanName"), "tags": request.tag_map() or None}
        return accepted(request.api(SERVICE), "CreateUsagePlan", said, request.properties.lost)


TYPES = (RequestValidator, Model, UsagePlan)
