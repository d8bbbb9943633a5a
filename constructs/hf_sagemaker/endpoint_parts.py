"""What an endpoint is made of, as scaling, alarms and dashboards see it.

Imports no CDK: settings are checked with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EndpointMode = Literal["real-time", "asynchronous", "serverless", "components", "multi-model"]
"""real-time: variants on instances. asynchronous: requests and answers in S3, from zero instances. serverless: no
instances. components: several models with copies of their own on shared instances. multi-model: one container that
loads models of a prefix when they are asked for."""


@dataclass(frozen=True, kw_only=True)
class EndpointPart:
    """A production variant or an inference component: what takes requests, has metrics of its own, and may scale.

    kind: which of both. endpoint_name, name: as SageMaker knows them; a component's name is unique in its account.
    instance_types: that it runs on, the preferred one first. Empty: serverless, or those of the component's endpoint.
    """

    kind: Literal["variant", "component"]
    endpoint_name: str
    name: str
    instance_types: tuple[str, ...] = ()

    @property
    def resource_id(self) -> str:
        """Application Auto Scaling's name for it."""
        if self.kind == "component":
            return f"inference-component/{self.name}"
        return f"endpoint/{self.endpoint_name}/variant/{self.name}"

    @property
    def metric_dimensions(self) -> Mapping[str, str]:
        """Of its invocation metrics in AWS/SageMaker."""
        if self.kind == "component":
            return {"InferenceComponentName": self.name}
        return {"EndpointName": self.endpoint_name, "VariantName": self.name}
