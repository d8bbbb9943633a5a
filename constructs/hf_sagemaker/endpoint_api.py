"""A REST API in front of one endpoint: signed requests only, limited in rate and size, logged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.place import place_of

_PACKS = ("NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321")
_RULES = (
    "AwsSolutions::AwsSolutions-APIG3",
    "AwsSolutions::AwsSolutions-COG4",
    *(f"{pack}::{pack}-{rule}" for pack in _PACKS for rule in ("APIGWCacheEnabledAndEncrypted", "APIGWSSLEnabled")),
    *(f"{pack}::{pack}-APIGWAssociatedWithWAF" for pack in ("NIST.800.53.R5", "PCI.DSS.321")),
)
_WHY = (
    "Who calls is known by a signature of IAM, which takes the place of Cognito and of a firewall against the unknown; "
    "callers are named in the resource policy, and the rate is limited. Answers of a model are not cached: there is no "
    "cache to encrypt. Behind it is SageMaker, by TLS and a role: it asks for no client's certificate."
)

_WHY_LOGS = "API Gateway takes one role for all of its log groups, and refuses one that may do less."


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Of a JSON body with `inputs`, a text or a list of texts.

    inputs: texts in a request. characters: of each. Both together keep a request below SageMaker's 6 MB, where API
    Gateway itself takes 10.
    """

    inputs: int = 64
    characters: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Who may call.

    principals: ARNs of roles and users of other accounts; this account's own need the permission only.
    vpc_endpoint_ids: of execute-api, where callers are: the API is private and reached by these alone. Omitted: it has
    an address in the region, which answers signed requests only.
    """

    principals: Sequence[str] = ()
    vpc_endpoint_ids: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """per_second: requests. burst: at once."""

    per_second: float = 50
    burst: int = 100


class ApiLogging(Construct):
    """Lets API Gateway write logs, for all REST APIs of the account and region: the service has one such setting.

    Whoever else sets it in the same account and region takes its place; both may write, so nothing is lost.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Creates the role and sets it."""
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            assumed_by=allow.service_principal(self, "apigateway.amazonaws.com"),
            description="Logs of API Gateway",
        )
        policy = allow.DutyPolicy(
            self,
            "Policy",
            role=role,
            permissions=[
                allow.allow(
                    [
                        "logs:CreateLogGroup",
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:FilterLogEvents",
                        "logs:GetLogEvents",
                        "logs:PutLogEvents",
                    ],
                    place_of(self).arn("logs", "log-group:*"),
                    why_wildcards=_WHY_LOGS,
                ),
                allow.allow(["logs:DescribeLogGroups"], "*", why_wildcards=_WHY_LOGS),
            ],
        )
        account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        account.node.add_dependency(policy)


class EndpointApi(Construct):
    """`POST /invocations`, authorised by IAM, handed to the endpoint as it is.

    api: the REST API; its URL ends in the stage's name, `v1`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        key: kms.IKey,
        callers: Callers | None = None,
        rate: RateLimits | None = None,
        request: RequestLimits | None = None,
        logging: IDependable,
        retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the API, its stage, its log group, and the role in which it calls the endpoint.

        endpoint_name: in SageMaker; one that answers at once, no asynchronous one.
        key: encrypts the access log.
        callers: omitted: this account's principals that may call it, from anywhere.
        rate: omitted: 50 a second, 100 at once.
        request: omitted: any body of any content type up to API Gateway's 10 MB; SageMaker refuses more than 6.
        logging: an `ApiLogging`, which must be there first.
        retention, removal_policy: of the access log. Omitted: a year, kept.
        """
        super().__init__(scope, construct_id)
        callers, rate = callers or Callers(), rate or RateLimits()
        self._endpoint_name = endpoint_name
        log_group = logs.LogGroup(
            self, "AccessLog", encryption_key=key, retention=retention, removal_policy=removal_policy
        )
        self.api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=endpoint_name,
            description=f"Calls endpoint {endpoint_name}",
            policy=_policy(self, callers),
            endpoint_configuration=_reached_by(callers),
            binary_media_types=None if request else ["application/octet-stream", "audio/*", "image/*"],
            cloud_watch_role=False,
            deploy_options=apigateway.StageOptions(
                stage_name="v1",
                tracing_enabled=True,
                metrics_enabled=True,
                # Bodies are users' texts: they are not for logs.
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,
                throttling_rate_limit=rate.per_second,
                throttling_burst_limit=rate.burst,
                access_log_destination=apigateway.LogGroupLogDestination(log_group),
                access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                    caller=True,
                    http_method=True,
                    ip=True,
                    protocol=True,
                    request_time=True,
                    resource_path=True,
                    response_length=True,
                    status=True,
                    user=True,
                ),
            ),
        )
        self.api.deployment_stage.node.add_dependency(logging)
        self._add_method(request)
        acknowledge(self, _WHY, *_RULES)

    def grant_invoke(self, grantee: iam.IGrantable) -> iam.Grant:
        """Lets the grantee send requests to the API; it then needs no right to call the endpoint itself."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["execute-api:Invoke"],
            resource_arns=[self.api.arn_for_execute_api("POST", "/invocations", "v1")],
        )

    def _add_method(self, request: RequestLimits | None) -> None:
        models = {"application/json": self._model(request)} if request else None
        self.api.root.add_resource("invocations").add_method(
            "POST",
            self._integration(validated=request is not None),
            authorization_type=apigateway.AuthorizationType.IAM,
            request_parameters={f"method.request.header.{name}": False for name in ("Accept", "Content-Type")},
            method_responses=[
                apigateway.MethodResponse(
                    status_code=status, response_parameters={"method.response.header.Content-Type": True}
                )
                for status in ("200", "400", "502", "503")
            ],
            request_models=models,
            request_validator=self.api.add_request_validator(
                "Validator", validate_request_body=True, validate_request_parameters=True
            ),
        )

    def _integration(self, *, validated: bool) -> apigateway.AwsIntegration:
        role = iam.Role(
            self,
            "Role",
            assumed_by=allow.service_principal(self, "apigateway.amazonaws.com"),
            description=f"Calls endpoint {self._endpoint_name} for its API",
        )
        arn = allow.sagemaker_arn(self, f"endpoint/{self._endpoint_name}")
        allow.DutyPolicy(self, "Policy", role=role, permissions=[allow.allow(["sagemaker:InvokeEndpoint"], arn)])
        types = {"integration.request.header.Content-Type": "method.request.header.Content-Type"}
        accepts = {"integration.request.header.Accept": "method.request.header.Accept"}
        # Another content type than the one that is validated would not be: it is refused with 415.
        passing: dict[str, Any] = {"passthrough_behavior": apigateway.PassthroughBehavior.WHEN_NO_MATCH}
        if validated:
            passing = {
                "passthrough_behavior": apigateway.PassthroughBehavior.NEVER,
                "request_templates": {"application/json": "$input.body"},
            }
        return apigateway.AwsIntegration(
            service="runtime.sagemaker",
            path=f"endpoints/{self._endpoint_name}/invocations",
            options=apigateway.IntegrationOptions(
                credentials_role=role,
                request_parameters=types | accepts,
                integration_responses=[
                    _answer("200"),
                    # 424: the model has failed. That is not the caller's fault.
                    _answer("502", "424"),
                    _answer("400", r"4(?!24)\d{2}"),
                    _answer("503", r"5\d{2}"),
                ],
                **passing,
            ),
        )

    def _model(self, request: RequestLimits) -> apigateway.IModel:
        text = apigateway.JsonSchema(type=apigateway.JsonSchemaType.STRING, max_length=request.characters)
        texts = apigateway.JsonSchema(
            type=apigateway.JsonSchemaType.ARRAY, min_items=1, max_items=request.inputs, items=text
        )
        return self.api.add_model(
            "Request",
            content_type="application/json",
            schema=apigateway.JsonSchema(
                schema=apigateway.JsonSchemaVersion.DRAFT4,
                type=apigateway.JsonSchemaType.OBJECT,
                required=["inputs"],
                properties={"inputs": apigateway.JsonSchema(any_of=[text, texts])},
            ),
        )


def _answer(status: str, pattern: str | None = None) -> apigateway.IntegrationResponse:
    return apigateway.IntegrationResponse(
        status_code=status,
        selection_pattern=pattern,
        response_parameters={"method.response.header.Content-Type": "integration.response.header.Content-Type"},
    )


def _reached_by(callers: Callers) -> apigateway.EndpointConfiguration:
    kind = apigateway.EndpointType.PRIVATE if callers.vpc_endpoint_ids else apigateway.EndpointType.REGIONAL
    return apigateway.EndpointConfiguration(types=[kind])


def _policy(scope: Construct, callers: Callers) -> iam.PolicyDocument:
    """Who may, as far as IAM lets them; and for a private API, by which way."""
    place = place_of(scope)
    own = f"arn:{place.partition}:iam::{place.account}:root"
    may = allow.statement(actions=["execute-api:Invoke"], resources=["execute-api:/*"])
    statements: list[dict[str, Any]] = [may | {"Principal": {"AWS": [own, *callers.principals]}}]
    if callers.vpc_endpoint_ids:
        condition = {"StringNotEquals": {"aws:SourceVpce": list(callers.vpc_endpoint_ids)}}
        deny = allow.statement(
            actions=["execute-api:Invoke"], resources=["execute-api:/*"], effect="Deny", conditions=condition
        )
        statements.append(deny | {"Principal": {"AWS": "*"}})
    return iam.PolicyDocument.from_json({"Version": "2012-10-17", "Statement": statements})
