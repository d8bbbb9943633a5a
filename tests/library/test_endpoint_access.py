"""Who may call an endpoint from elsewhere: a role for named principals, and an API for signed requests."""

import json
from typing import Any

import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template

from hf_sagemaker.endpoint_api import ApiLogging, Callers, EndpointApi, RateLimits, RequestLimits
from hf_sagemaker.endpoint_invoker import EndpointInvoker

NAME = "dev-sentiment"
CALLER = "arn:aws:iam::111122223333:role/checkout"
ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/dev-sentiment"


def _api(stack: Any, **options: Any) -> EndpointApi:
    logging = ApiLogging(stack, "Logging")
    return EndpointApi(stack, "Api", endpoint_name=NAME, key=stack.key, logging=logging, **options)


def _template(stack: Any, **options: Any) -> Template:
    _api(stack, **options)
    return Template.from_stack(stack)


def _only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = template.find_resources(kind).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


# --- the role --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "action"),
    [("real-time", "sagemaker:InvokeEndpoint"), ("asynchronous", "sagemaker:InvokeEndpointAsync")],
)
def test_named_callers_may_call_this_endpoint_and_nothing_else(stack: Any, mode: Any, action: str) -> None:
    EndpointInvoker(stack, "Invoker", endpoint_name=NAME, mode=mode, callers=[CALLER])
    template = Template.from_stack(stack)
    (statement,) = _only(template, "AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (action, ENDPOINT)
    (trust,) = _only(template, "AWS::IAM::Role")["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Action"], trust["Principal"]) == ("sts:AssumeRole", {"AWS": CALLER})


@pytest.mark.parametrize("callers", [[], ["arn:aws:iam::111122223333:root"], ["arn:aws:iam::111122223333:role/check*"]])
def test_a_caller_is_one_principal(stack: Any, callers: list[str]) -> None:
    with pytest.raises(ValueError, match="must be ARNs of roles and users, at least one, each of a single one"):
        EndpointInvoker(stack, "Invoker", endpoint_name=NAME, mode="real-time", callers=callers)


# --- the API ---------------------------------------------------------------------------------------------------------


def test_requests_are_signed_and_handed_on_in_a_role_for_this_endpoint(stack: Any) -> None:
    template = _template(stack)
    method = _only(template, "AWS::ApiGateway::Method")
    assert (method["HttpMethod"], method["AuthorizationType"]) == ("POST", "AWS_IAM")
    integration = method["Integration"]
    assert "runtime.sagemaker:path/endpoints/dev-sentiment/invocations" in json.dumps(integration["Uri"])
    policies = template.find_resources("AWS::IAM::ManagedPolicy").values()
    statements = [each for policy in policies for each in policy["Properties"]["PolicyDocument"]["Statement"]]
    calls = [each for each in statements if each["Action"] == "sagemaker:InvokeEndpoint"]
    assert [each["Resource"] for each in calls] == [ENDPOINT]


def test_a_failing_model_is_not_the_callers_fault(stack: Any) -> None:
    answers = _only(_template(stack), "AWS::ApiGateway::Method")["Integration"]["IntegrationResponses"]
    assert {each.get("SelectionPattern"): each["StatusCode"] for each in answers} == {
        None: "200",
        "424": "502",
        r"4(?!24)\d{2}": "400",
        r"5\d{2}": "503",
    }


def test_a_private_api_is_reached_by_the_named_ways_only(stack: Any) -> None:
    callers = Callers(principals=[CALLER], vpc_endpoint_ids=["vpce-0a1b2c3d"])
    api = _only(_template(stack, callers=callers), "AWS::ApiGateway::RestApi")
    assert api["EndpointConfiguration"] == {"Types": ["PRIVATE"]}
    allowed, denied = api["Policy"]["Statement"]
    assert set(allowed["Principal"]["AWS"]) == {"arn:aws:iam::123456789012:root", CALLER}
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ["vpce-0a1b2c3d"]}}


def test_a_regional_api_names_who_may(stack: Any) -> None:
    api = _only(_template(stack), "AWS::ApiGateway::RestApi")
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    (allowed,) = api["Policy"]["Statement"]
    assert "*" not in json.dumps(allowed["Principal"])


def test_the_rate_is_limited_and_requests_are_logged_and_traced(stack: Any) -> None:
    template = _template(stack, rate=RateLimits(per_second=5, burst=7))
    template.has_resource_properties(
        "AWS::ApiGateway::Stage",
        {
            "TracingEnabled": True,
            "AccessLogSetting": {"DestinationArn": Match.any_value()},
            "MethodSettings": [
                Match.object_like(
                    {
                        "ThrottlingRateLimit": 5,
                        "ThrottlingBurstLimit": 7,
                        "LoggingLevel": "ERROR",
                        "DataTraceEnabled": False,
                    }
                )
            ],
        },
    )
    template.has_resource_properties(
        "AWS::Logs::LogGroup", {"RetentionInDays": 365, "KmsKeyId": Match.string_like_regexp("key/team$")}
    )


def test_a_stage_waits_for_the_right_to_log(stack: Any) -> None:
    template = _template(stack)
    (stage,) = template.find_resources("AWS::ApiGateway::Stage").values()
    (account,) = template.find_resources("AWS::ApiGateway::Account")
    assert account in stage["DependsOn"]


def test_bodies_are_limited_where_they_are_json(stack: Any) -> None:
    template = _template(stack, request=RequestLimits(inputs=3, characters=100))
    schema = _only(template, "AWS::ApiGateway::Model")["Schema"]
    text = {"type": "string", "maxLength": 100}
    assert schema["required"] == ["inputs"]
    assert schema["properties"]["inputs"]["anyOf"] == [
        text,
        {"type": "array", "minItems": 1, "maxItems": 3, "items": text},
    ]
    method = _only(template, "AWS::ApiGateway::Method")
    assert method["RequestValidatorId"]
    # And another content type, which nothing would look at, is refused
    assert method["Integration"]["PassthroughBehavior"] == "NEVER"
    assert method["Integration"]["RequestTemplates"] == {"application/json": "$input.body"}


def test_without_limits_every_body_passes(stack: Any) -> None:
    template = _template(stack)
    assert _only(template, "AWS::ApiGateway::Method")["Integration"]["PassthroughBehavior"] == "WHEN_NO_MATCH"
    assert "image/*" in _only(template, "AWS::ApiGateway::RestApi")["BinaryMediaTypes"]


def test_a_caller_needs_the_api_and_not_the_endpoint(stack: Any) -> None:
    caller = iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal())
    _api(stack).grant_invoke(caller)
    Template.from_stack(stack).has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": [Match.object_like({"Action": "execute-api:Invoke", "Resource": Match.any_value()})]
            }
        },
    )
