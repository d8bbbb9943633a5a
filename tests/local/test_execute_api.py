"""A REST API of API Gateway in front of a real endpoint answers, and refuses what it is to refuse."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.local.compute_projects import Projects
from tests.local.embedded_aws import RunningLocalCloud, Stacks
from tests.local.resource_case import Properties, policy, role
from tests.local.test_compute_endpoints import DOCKERFILE, SERVE, Endpoints, model

STACK = "execute-api"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=123456789012/20261121/us-east-1/execute-api/aws4_request"}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["inputs"],
    "properties": {"inputs": {"type": "string", "maxLength": 5}},
}


def template(endpoint: str) -> str:
    """`POST /invocations`, on a stage without limits and on one with a request a minute."""
    api = {"Ref": "Api"}
    content_type = "header.Content-Type"
    method: Properties = {
        "RestApiId": api,
        "ResourceId": {"Ref": "Path"},
        "HttpMethod": "POST",
        "AuthorizationType": "AWS_IAM",
        "RequestModels": {"application/json": {"Ref": "Model"}},
        "RequestParameters": {"method.request.header.X-Team": True, f"method.request.{content_type}": False},
        "RequestValidatorId": {"Ref": "Validator"},
        "MethodResponses": [{"StatusCode": status} for status in ("200", "400", "502")],
        "Integration": {
            "Type": "AWS",
            "IntegrationHttpMethod": "POST",
            "Uri": {
                "Fn::Sub": f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:runtime.sagemaker:path/endpoints/"
                f"{endpoint}/invocations"
            },
            "Credentials": {"Fn::GetAtt": ["Role", "Arn"]},
            "PassthroughBehavior": "NEVER",
            "RequestTemplates": {"application/json": "$input.body", "text/plain": "$input.body"},
            "RequestParameters": {f"integration.request.{content_type}": f"method.request.{content_type}"},
            "IntegrationResponses": [
                {
                    "StatusCode": "200",
                    "ResponseParameters": {
                        f"method.response.{content_type}": f"integration.response.{content_type}",
                        "method.response.header.X-Model": "'hello'",
                    },
                },
                {"StatusCode": "502", "SelectionPattern": "424"},
                {"StatusCode": "400", "SelectionPattern": r"4(?!24)\d{2}"},
            ],
        },
    }
    slow = [{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 1}]
    stage = {"RestApiId": api, "DeploymentId": {"Ref": "Deployment"}}
    resources: Properties = {
        "Role": role("apigateway.amazonaws.com"),
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "invoke",
                "PolicyDocument": policy("sagemaker:InvokeEndpoint"),
                "Roles": [{"Ref": "Role"}],
            },
        },
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": endpoint}},
        "Path": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {
                "RestApiId": api,
                "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                "PathPart": "invocations",
            },
        },
        "Model": {
            "Type": "AWS::ApiGateway::Model",
            "Properties": {"RestApiId": api, "ContentType": "application/json", "Schema": SCHEMA},
        },
        "Validator": {
            "Type": "AWS::ApiGateway::RequestValidator",
            "Properties": {"RestApiId": api, "ValidateRequestBody": True, "ValidateRequestParameters": True},
        },
        "Method": {"Type": "AWS::ApiGateway::Method", "Properties": method},
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": "Method",
            "Properties": {"RestApiId": api},
        },
        "Stage": {"Type": "AWS::ApiGateway::Stage", "Properties": stage | {"StageName": "v1"}},
        "Slow": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": stage | {"StageName": "slow", "MethodSettings": slow},
        },
    }
    return json.dumps({"Resources": resources, "Outputs": {"Api": {"Value": api}}})


@dataclass
class Api:
    """What callers see of it."""

    endpoint_url: str
    id: str

    def call(self, body: str, *, stage: str = "v1", path: str = "/invocations", **headers: str) -> tuple[int, str, Any]:
        """Status, text and headers. headers: with _ for -; beside those of a caller who has signed."""
        said = {"Content-Type": "text/plain", "X-Team": "search", **SIGNED}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.endpoint_url}/_localcloud/execute-api/{self.id}/{stage}{path}"
        request = urllib.request.Request(url, data=body.encode(), headers={n: v for n, v in said.items() if v})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers


@pytest.fixture(scope="module")
def api(localcloud: RunningLocalCloud) -> Iterator[Api]:
    projects = Projects(localcloud)
    image = projects.image({"Dockerfile": DOCKERFILE, "serve.py": SERVE}, "inference")
    endpoints = Endpoints(localcloud, image, projects.bucket)
    name, described = endpoints.create(endpoints.config(model("hello")))
    assert described["EndpointStatus"] == "InService", described
    stacks = Stacks(localcloud)
    stack = stacks.create(STACK, template(name))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(STACK, "CREATE_FAILED")
    assert not any(stacks.reasons(STACK, "CREATE_COMPLETE").values())
    yield Api(localcloud.endpoint_url, stacks.outputs(STACK)["Api"])
    stacks.delete_all()
    endpoints.delete(name)


def test_it_answers_with_the_endpoint(api: Api) -> None:
    status, text, headers = api.call("world")

    assert (status, text) == (200, "hello world")
    assert headers["X-Model"] == "hello"


def test_its_own_address_leads_to_it_too(api: Api) -> None:
    host = f"{api.id}.execute-api.us-east-1.amazonaws.com"
    url = f"{api.endpoint_url}/v1/invocations"
    headers = {"Host": host, "Content-Type": "text/plain", "X-Team": "search", **SIGNED}

    with urllib.request.urlopen(urllib.request.Request(url, data=b"there", headers=headers), timeout=60) as answer:
        assert answer.read() == b"hello there"


def test_a_model_that_fails_is_502(api: Api) -> None:
    # Given a body that fits its model, and of which the endpoint's model understands nothing
    status, _, _ = api.call('{"inputs": "short"}', Content_Type="application/json")

    assert status == 502


@pytest.mark.parametrize(
    ("body", "arguments", "status", "says"),
    [
        ("world", {"Authorization": ""}, 403, "Missing Authentication Token"),
        ("world", {"path": "/elsewhere"}, 403, "Missing Authentication Token"),
        ("world", {"stage": "v2"}, 403, "Forbidden"),
        ("world", {"X_Team": ""}, 400, "Missing required request parameters: [X-Team]"),
        ('{"inputs": "too long"}', {"Content_Type": "application/json"}, 400, "Invalid request body"),
        ("no JSON", {"Content_Type": "application/json"}, 400, "Invalid request body"),
        ("world", {"Content_Type": "image/png"}, 415, "Unsupported Media Type"),
    ],
)
def test_what_it_is_to_refuse_does_not_reach_the_endpoint(
    api: Api, body: str, arguments: dict[str, str], status: int, says: str
) -> None:
    refused, text, _ = api.call(body, **arguments)

    assert (refused, json.loads(text)) == (status, {"message": says})


def test_more_than_its_rate_is_429(api: Api) -> None:
    first, _, _ = api.call("world", stage="slow")
    second, _, _ = api.call("world", stage="slow")

    assert (first, second) == (200, 429)
