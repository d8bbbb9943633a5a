"""Types of API Gateway: created, changed, deleted."""

from typing import Any

from tests.local.resource_case import ACCOUNT, Case, Clients, Properties

API = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "case-api"}}
ROOT = {"Fn::GetAtt": ["Api", "RootResourceId"]}
PATH = {
    "Type": "AWS::ApiGateway::Resource",
    "Properties": {"RestApiId": {"Ref": "Api"}, "ParentId": ROOT, "PathPart": "p"},
}
URI = "arn:aws:apigateway:us-east-1:runtime.sagemaker:path/endpoints/some/invocations"


def method(authorization: str, status: str) -> Properties:
    return {
        "RestApiId": {"Ref": "Api"},
        "ResourceId": {"Ref": "Path"},
        "HttpMethod": "POST",
        "AuthorizationType": authorization,
        "RequestParameters": {"method.request.header.Accept": False},
        "MethodResponses": [{"StatusCode": status}],
        "Integration": {
            "Type": "AWS",
            "IntegrationHttpMethod": "POST",
            "Uri": URI,
            "Credentials": f"arn:aws:iam::{ACCOUNT}:role/caller",
            "PassthroughBehavior": "NEVER",
            "RequestTemplates": {"application/json": "$input.body"},
            "RequestParameters": {"integration.request.header.Accept": "method.request.header.Accept"},
            "IntegrationResponses": [{"StatusCode": status, "SelectionPattern": r"4\d{2}"}],
        },
    }


METHOD = {"Type": "AWS::ApiGateway::Method", "Properties": method("AWS_IAM", "200")}
DEPLOYMENT = {"Type": "AWS::ApiGateway::Deployment", "DependsOn": "Method", "Properties": {"RestApiId": {"Ref": "Api"}}}
STAGE = {
    "Type": "AWS::ApiGateway::Stage",
    "Properties": {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "v1"},
}
BEHIND = {"Api": API, "Path": PATH, "Method": METHOD, "Deployment": DEPLOYMENT}


def rest_api(description: str, *, media: str) -> Properties:
    return {
        "Name": "case-api",
        "Description": description,
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
        "BinaryMediaTypes": ["image/*", media],
        "Policy": {"Version": "2012-10-17", "Statement": []},
    }


def api_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("apigateway").get_rest_api(restApiId=outputs["Ref"])
    return found["description"], found["binaryMediaTypes"], found["endpointConfiguration"]["types"]


def resource_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("apigateway").get_resource(restApiId=outputs["OtherApi"], resourceId=outputs["Ref"])
    return found["path"]


def method_state(api: Clients, outputs: dict[str, str]) -> Any:
    rest_api_id, resource_id, verb = outputs["Ref"].split("|")
    found = api("apigateway").get_method(restApiId=rest_api_id, resourceId=resource_id, httpMethod=verb)
    integration = found["methodIntegration"]
    (response,) = integration["integrationResponses"]
    return found["authorizationType"], list(found["methodResponses"]), response, integration["passthroughBehavior"]


def deployment(description: str) -> Properties:
    """Made after the method, without which an API cannot be deployed."""
    return {"RestApiId": {"Ref": "Api"}, "Description": {"Fn::Select": [0, [description, {"Ref": "Method"}]]}}


def deployment_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("apigateway").get_deployment(restApiId=outputs["OtherApi"], deploymentId=outputs["Ref"])
    return found["description"]


def stage(rate: float, *, traced: bool) -> Properties:
    return {
        "RestApiId": {"Ref": "Api"},
        "DeploymentId": {"Ref": "Deployment"},
        "StageName": "v1",
        "TracingEnabled": traced,
        "AccessLogSetting": {"DestinationArn": "arn:aws:logs:us-east-1:1:log-group:x", "Format": "$context.status"},
        "MethodSettings": [
            {"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "ERROR", "ThrottlingRateLimit": rate}
        ],
    }


def stage_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("apigateway").get_stage(restApiId=outputs["OtherApi"], stageName=outputs["Ref"])
    settings = found["methodSettings"]["*/*"]
    return found["tracingEnabled"], settings["loggingLevel"], settings["throttlingRateLimit"]


def account_state(api: Clients, outputs: dict[str, str]) -> Any:
    return api("apigateway").get_account()["cloudwatchRoleArn"].rpartition("/")[2]


def validator_state(api: Clients, outputs: dict[str, str]) -> Any:
    ids = {"restApiId": outputs["OtherApi"], "requestValidatorId": outputs["Ref"]}
    found = api("apigateway").get_request_validator(**ids)
    return found["validateRequestBody"], found["validateRequestParameters"]


def validator(*, body: bool) -> Properties:
    return {"RestApiId": {"Ref": "Api"}, "ValidateRequestBody": body, "ValidateRequestParameters": True}


def model(required: str) -> Properties:
    return {
        "RestApiId": {"Ref": "Api"},
        "Name": "Request",
        "ContentType": "application/json",
        "Schema": {"type": "object", "required": [required]},
    }


def model_state(api: Clients, outputs: dict[str, str]) -> Any:
    return api("apigateway").get_model(restApiId=outputs["OtherApi"], modelName=outputs["Ref"])["schema"]


def plan(rate: float) -> Properties:
    return {
        "UsagePlanName": "case-plan",
        "ApiStages": [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}}],
        "Throttle": {"RateLimit": rate, "BurstLimit": 5},
    }


def plan_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("apigateway").get_usage_plan(usagePlanId=outputs["Ref"])
    return found["name"], found["throttle"]["rateLimit"], [each["stage"] for each in found["apiStages"]]


CASES = [
    Case(
        "AWS::ApiGateway::RestApi",
        rest_api("one", media="audio/*"),
        rest_api("two", media="video/*"),
        api_state,
        ("one", ["image/*", "audio/*"], ["REGIONAL"]),
        ("two", ["image/*", "video/*"], ["REGIONAL"]),
        {},
        ("RootResourceId", "RestApiId"),
    ),
    Case(
        "AWS::ApiGateway::Resource",
        {"RestApiId": {"Ref": "Api"}, "ParentId": ROOT, "PathPart": "one"},
        {"RestApiId": {"Ref": "Api"}, "ParentId": ROOT, "PathPart": "two"},
        resource_state,
        "/one",
        "/two",
        {"Api": API},
        ("ResourceId",),
        replaced=True,
    ),
    Case(
        "AWS::ApiGateway::Method",
        method("AWS_IAM", "400"),
        method("NONE", "502"),
        method_state,
        ("AWS_IAM", ["400"], "400", "NEVER"),
        ("NONE", ["502"], "502", "NEVER"),
        {"Api": API, "Path": PATH},
    ),
    Case(
        "AWS::ApiGateway::Deployment",
        deployment("one"),
        deployment("two"),
        deployment_state,
        "one",
        "two",
        {"Api": API, "Path": PATH, "Method": METHOD},
        ("DeploymentId",),
    ),
    Case(
        "AWS::ApiGateway::Stage",
        stage(5, traced=False),
        stage(8, traced=True),
        stage_state,
        (False, "ERROR", 5.0),
        (True, "ERROR", 8.0),
        BEHIND,
    ),
    Case(
        "AWS::ApiGateway::Account",
        {"CloudWatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/one"},
        {"CloudWatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/two"},
        account_state,
        "one",
        "two",
        gone="two",
    ),
    Case(
        "AWS::ApiGateway::RequestValidator",
        validator(body=True),
        validator(body=False),
        validator_state,
        (True, True),
        (False, True),
        {"Api": API},
        ("RequestValidatorId",),
    ),
    Case(
        "AWS::ApiGateway::Model",
        model("one"),
        model("two"),
        model_state,
        '{"type": "object", "required": ["one"]}',
        '{"type": "object", "required": ["two"]}',
        {"Api": API},
    ),
    Case(
        "AWS::ApiGateway::UsagePlan",
        plan(5),
        plan(8),
        plan_state,
        ("case-plan", 5.0, ["v1"]),
        ("case-plan", 8.0, ["v1"]),
        {**BEHIND, "Stage": STAGE},
        ("Id",),
    ),
]
