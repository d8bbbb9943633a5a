"""Endpoints of every kind scale: from zero by what waits, back to it when nothing does, and within their bounds."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.compute_projects import until
from tests.local.served_modes import Modes
from tests.local.test_asynchronous_endpoints import read, send
from tests.local.test_inference_components import Components

STEP = {
    "AdjustmentType": "ChangeInCapacity",
    # Longer than a quarter of an hour: the alarm that went off for want of requests does so until then.
    "Cooldown": 1200,
    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
}


class Scaled:
    """One variant or component, registered; a minute of waiting is two seconds."""

    def __init__(self, modes: Modes, resource_id: str, dimension: str) -> None:
        self.scaling = modes.running.client("application-autoscaling")
        self.cloudwatch = modes.running.client("cloudwatch")
        self.which = {"ServiceNamespace": "sagemaker", "ResourceId": resource_id, "ScalableDimension": dimension}

    def between(self, least: int, most: int) -> None:
        self.scaling.register_scalable_target(**self.which, MinCapacity=least, MaxCapacity=most)

    def from_zero(self, metric: str, **dimensions: str) -> None:
        """An alarm on the metric brings the first one."""
        policy = self.scaling.put_scaling_policy(
            **self.which, PolicyName="FromZero", PolicyType="StepScaling", StepScalingPolicyConfiguration=STEP
        )
        self.cloudwatch.put_metric_alarm(
            AlarmName=f"from-zero-{self.which['ResourceId']}",
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[policy["PolicyARN"]],
        )

    def track(self, metric: str, target: float) -> None:
        configuration = {
            "TargetValue": target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            "ScaleInCooldown": 0,
        }
        self.scaling.put_scaling_policy(
            **self.which,
            PolicyName="Target",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )

    def forget(self) -> None:
        """An endpoint that was deleted is not registered any more."""
        self.cloudwatch.delete_alarms(AlarmNames=[f"from-zero-{self.which['ResourceId']}"])
        ids = [self.which["ResourceId"]]
        if self.scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=ids)["ScalableTargets"]:
            self.scaling.deregister_scalable_target(**self.which)


MakeScaled = Callable[[str, str], Scaled]


@pytest.fixture
def scaled(modes: Modes) -> Iterator[MakeScaled]:
    made: list[Scaled] = []

    def make(resource_id: str, dimension: str) -> Scaled:
        made.append(Scaled(modes, resource_id, dimension))
        return made[-1]

    yield make
    for each in made:
        each.forget()


def test_an_asynchronous_endpoint_comes_back_for_what_waits(modes: Modes, scaled: MakeScaled) -> None:
    # Given an asynchronous endpoint that may have nothing, and has nothing
    variant = {"ModelName": modes.model("hello"), "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
    output = {"S3OutputPath": f"s3://{modes.bucket}/answers"}
    endpoint = modes.endpoint(variant, AsyncInferenceConfig={"OutputConfig": output})
    target = scaled(f"endpoint/{endpoint}/variant/AllTraffic", "sagemaker:variant:DesiredInstanceCount")
    target.between(0, 0)

    def instances() -> int:
        (found,) = modes.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
        return int(found["CurrentInstanceCount"])

    until(instances, lambda count: count == 0, seconds=120)
    target.between(0, 1)
    target.from_zero("HasBacklogWithoutCapacity", EndpointName=endpoint)

    # When something is asked, then there is an instance that answers it
    asked = send(modes, endpoint, "world")
    assert until(lambda: read(modes, asked["OutputLocation"]), bool, seconds=120) == "hello world"
    modes.settled(endpoint)
    modes.sagemaker.delete_endpoint(EndpointName=endpoint)


def test_a_component_goes_to_zero_and_comes_back(modes: Modes, scaled: MakeScaled) -> None:
    # Given a component with a copy that nobody asks
    components = Components(modes)
    name = str(components.create("hello")["InferenceComponentName"])
    target = scaled(f"inference-component/{name}", "sagemaker:inference-component:DesiredCopyCount")
    target.between(0, 2)
    target.track("SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution", 2)
    target.from_zero("NoCapacityInvocationFailures", InferenceComponentName=name)

    def copies() -> int:
        found = modes.sagemaker.describe_inference_component(InferenceComponentName=name)
        return int(found["RuntimeConfig"]["CurrentCopyCount"])

    # When a quarter of an hour is over, then it has none
    until(copies, lambda count: count == 0, seconds=100)

    # And a request that finds none brings the first
    with pytest.raises(ClientError, match="no capacity"):
        components.ask(name, "world")
    until(copies, lambda count: count == 1, seconds=120)
    assert components.ask(name, "world") == "hello world"
    modes.sagemaker.delete_inference_component(InferenceComponentName=name)


def test_provisioned_concurrency_is_brought_within_its_bounds(modes: Modes, scaled: MakeScaled) -> None:
    # Given a serverless endpoint that keeps one container ready
    serverless = {"MemorySizeInMB": 4096, "MaxConcurrency": 4, "ProvisionedConcurrency": 1}
    endpoint = modes.endpoint({"ModelName": modes.model("hello"), "ServerlessConfig": serverless})

    def provisioned() -> Any:
        (found,) = modes.sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
        return found["CurrentServerlessConfig"]["ProvisionedConcurrency"]

    # When it is to have two at least, then it has them
    target = scaled(f"endpoint/{endpoint}/variant/AllTraffic", "sagemaker:variant:DesiredProvisionedConcurrency")
    target.between(2, 3)
    until(provisioned, lambda count: count == 2, seconds=120)
    modes.settled(endpoint)
    modes.sagemaker.delete_endpoint(EndpointName=endpoint)
