"""A deployment is done when the endpoint answers: the environment's own example is asked after every update."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import CustomResource, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.function import PythonFunction

SMOKE_TYPE = "Custom::SmokeRequest"
"""Of the resource that asks."""
EXAMPLE_BYTES = 100_000
"""That an example may have: it is part of the template."""
_TEXTS = {"inputs": "I love how easy this was."}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "text-classification": _TEXTS,
    "sentiment-analysis": _TEXTS,
    "token-classification": {"inputs": "My name is Sarah and I live in London."},
    "ner": {"inputs": "My name is Sarah and I live in London."},
    "feature-extraction": _TEXTS,
    "sentence-similarity": _TEXTS,
    "sentence-embeddings": _TEXTS,
    "text-generation": {"inputs": "Once upon a time", "parameters": {"max_new_tokens": 8}},
    "text2text-generation": {"inputs": "translate English to German: Good morning"},
    "translation": {"inputs": "Good morning"},
    "summarization": {"inputs": "The tower is 324 metres tall, about the same height as an 81-storey building."},
    "question-answering": {"inputs": {"question": "Where do I live?", "context": "I live in London."}},
    "zero-shot-classification": {"inputs": "I want a refund.", "parameters": {"candidate_labels": ["refund", "legal"]}},
    "table-question-answering": {
        "inputs": {"query": "How many stars?", "table": {"Repository": ["transformers"], "Stars": ["36542"]}}
    },
}


@dataclass(frozen=True, kw_only=True)
class RequestExample:
    """A request that a model answers. content_type: of the body, which is sent as it is."""

    body: bytes
    content_type: str = "application/json"


def example_of(task: str | None) -> dict[str, Any] | None:
    """The JSON body that a pipeline task of transformers answers. None: it is not known, as with audio and images; and
    fill-mask, whose mask differs from model to model: the settings have to bring one."""
    return _EXAMPLES.get(task or "")


class SmokeFunction(Construct):
    """One per environment: the function that asks the example of any of its endpoints.

    function: waits for its answer, as the deployment waits for it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        keys: EnvironmentKeys,
        function_root: Path,
        role: iam.Role | None = None,
        asks_asynchronously: bool = False,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the function.

        environment: the names of its endpoints, components and stacks begin with it.
        role: assumed by it, where the policy of a key has to name it. Omitted: one of its own.
        asks_asynchronously: some of the endpoints are asynchronous. Then the role must be able to put and read where
            they read requests and put answers. Omitted: none is.
        function_root: folder with the packages `smoke_request` and `custom_resource`.
        reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        asks = ["sagemaker:InvokeEndpoint", *(["sagemaker:InvokeEndpointAsync"] if asks_asynchronously else [])]
        self.function = PythonFunction(
            self,
            "Asker",
            source_root=function_root,
            package="smoke_request",
            shared=["custom_resource"],
            description="Asks endpoints their example after each update",
            key=keys.logs,
            role=role,
            permissions=[
                allow.ask_endpoints(self, environment, asks),
                allow.look_at_stacks(self, f"{environment}-*"),
            ],
            timeout=Duration.minutes(15),
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        ).function


class SmokeRequest(Construct):
    """Fails the deployment of an endpoint that does not answer its example, or that SageMaker has rolled back by
    itself. While CloudFormation rolls back it only tells."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: SmokeFunction,
        endpoint: sagemaker.CfnEndpoint,
        endpoint_name: str,
        mode: EndpointMode,
        parts: Sequence[EndpointPart],
        example: RequestExample | None,
        after: Sequence[Construct] = (),
        again_with: Sequence[str] = (),
        target_model: str | None = None,
        asynchronous: tuple[s3.IBucket, str] | None = None,
    ) -> None:
        """Asks after each update of the endpoint.

        parts: its variants or components, each of which is asked.
        example: None: it is not asked; whether it is what was deployed is looked at all the same.
        after: what has to be there before, as the endpoint's scaling. Omitted: the endpoint alone.
        again_with: values that change with something else that is served, such as names of components' models.
        target_model: of a multi-model endpoint, as InvokeEndpoint takes it. Omitted: such an endpoint is not asked.
        asynchronous: bucket, and the prefix with a slash at its end that this endpoint reads; required in that mode.

        Raises ValueError when an example is longer than a template should hold.
        """
        super().__init__(scope, construct_id)
        if example and len(example.body) > EXAMPLE_BYTES:
            raise ValueError(
                f"{endpoint_name}: the example has {len(example.body)} bytes, and may have {EXAMPLE_BYTES}: take a "
                "shorter one."
            )
        asks = example and not (mode == "multi-model" and target_model is None)
        names = {kind: [part.name for part in parts if part.kind == kind] for kind in ("variant", "component")}
        properties: dict[str, Any] = {
            "EndpointName": endpoint_name,
            "EndpointConfigName": endpoint.endpoint_config_name,
            # Serverless and asynchronous endpoints take no target.
            **({"Variants": names["variant"]} if mode in ("real-time", "multi-model") else {}),
            **({"Components": names["component"]} if mode == "components" else {}),
            **({"Example": _as_property(example)} if example and asks else {}),
            **({"TargetModel": target_model} if target_model else {}),
            **({"Again": list(again_with)} if again_with else {}),
        }
        if mode == "asynchronous":
            assert asynchronous is not None, "an asynchronous endpoint reads its requests from a bucket"
            bucket, prefix = asynchronous
            properties["Asynchronous"] = {"Bucket": bucket.bucket_name, "Prefix": prefix}
        self.resource = CustomResource(
            self,
            "Asked",
            resource_type=SMOKE_TYPE,
            service_token=function.function.function_arn,
            service_timeout=Duration.minutes(20),
            properties=properties,
        )
        self.resource.node.add_dependency(endpoint, *after)


def _as_property(example: RequestExample) -> dict[str, str]:
    try:
        return {"ContentType": example.content_type, "Body": example.body.decode()}
    except UnicodeDecodeError:
        return {"ContentType": example.content_type, "BodyBase64": base64.b64encode(example.body).decode()}
