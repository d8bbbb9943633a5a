"""Real time: one or several weighted variants on instances, or one with a shadow."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from hf_sagemaker.endpoint_alarms import PartAlarms
from hf_sagemaker.endpoint_model import EndpointSurroundings
from hf_sagemaker.production_variant import Variant
from hf_sagemaker.sagemaker_endpoint import SageMakerEndpoint

LEAST_OUTSTANDING = "LEAST_OUTSTANDING_REQUESTS"
METRICS_SECONDS = 10


class RealTimeEndpoint(SageMakerEndpoint):
    """A model for each variant, endpoint configuration, endpoint and alarms. EndpointSafety scales it.

    parts: the production variants, in their order. A shadow is none: it answers nobody.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variants: Sequence[Variant],
        surroundings: EndpointSurroundings,
        shadow: Variant | None = None,
        routing: str = LEAST_OUTSTANDING,
        metrics_seconds: int | None = METRICS_SECONDS,
        latency_alarm: Duration | None = None,
    ) -> None:
        """Creates the endpoint.

        shadow: gets copies of requests, and its answers are dropped. Omitted: there is none.
        routing: SageMaker's name of the strategy. Omitted: to the instance with the fewest requests in flight.
        metrics_seconds: how often metrics are published. Omitted: every 10 seconds.
        latency_alarm: limit of the 99th percentile of model latency. Omitted: one second.

        Raises UnknownInstanceTypeError when SageMaker hosting has no such instance type, and IncompatibleError with all
        reasons why an image cannot run there, and why a variable cannot be what it is. Raises ValueError when a model
        from S3 or the mirror has no image, when names of variants repeat, or when several have a shadow.
        """
        super().__init__(scope, construct_id, endpoint_name=endpoint_name, mode="real-time", surroundings=surroundings)
        names = [each.name for each in (*variants, *([shadow] if shadow else []))]
        if len(set(names)) < len(names):
            raise ValueError(f"{', '.join(names)}: the names of variants must differ.")
        if shadow and len(variants) != 1:
            raise ValueError("A shadow copies the requests of one production variant: leave it out, or the others.")
        several = len(variants) > 1
        prefixes = [_words(each.name) if several else "" for each in variants]
        made = [self._made(each, prefix, routing) for each, prefix in zip(variants, prefixes, strict=True)]
        shadows = [self._made(shadow, "Shadow", routing)] if shadow else None
        everything = [*variants, *([shadow] if shadow else [])]
        self._create(
            made,
            [instance for each in everything for instance in each.instances.known],
            metrics_seconds=metrics_seconds,
            shadow_production_variants=shadows,
        )
        self.parts = [self._variant_part(each.name, each.instances.types) for each in variants]
        alarms: list[cloudwatch.Alarm] = []
        for variant, part, prefix in zip(variants, self.parts, prefixes, strict=True):
            limit = latency_alarm or Duration.seconds(1)
            alarms += PartAlarms(part=part, image=variant.model.image, latency=limit, prefix=prefix).create(self)
        self._finish(alarms)

    def _made(self, each: Variant, prefix: str, routing: str) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        surroundings = self._surroundings
        each.instances.refuse_problems(each.model, isolated=surroundings.isolated)
        image = each.model.image
        model = surroundings.model(self, f"{prefix}Model", each.model.container)
        return each.instances.variant(each.name, model=model, image=image, weight=each.weight, routing=routing)


def _words(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
