"""What has gone to nothing comes back when somebody asks: asynchronous endpoints and inference components."""

from typing import Any

from botocore.exceptions import ClientError

from tests.local.compute_projects import until
from tests.local.served_modes import Modes
from tests.local.test_asynchronous_endpoints import read, scale, send
from tests.local.test_inference_components import Components


def out_of_zero(modes: Modes, resource: str, dimension: str, metric: str, dimensions: dict[str, str]) -> None:
    """A step policy that adds one, and the alarm that sets it off."""
    scaling, cloudwatch = modes.running.client("application-autoscaling"), modes.running.client("cloudwatch")
    target = {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": dimension}
    scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)
    step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}
    policy = scaling.put_scaling_policy(
        **target,
        PolicyName="out-of-zero",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [step],
            "Cooldown": 60,
            "MetricAggregationType": "Maximum",
        },
    )["PolicyARN"]
    cloudwatch.put_metric_alarm(
        AlarmName=f"nobody-{resource.split('/')[1]}",
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        AlarmActions=[policy],
    )


def test_a_request_that_waits_brings_an_instance(modes: Modes) -> None:
    # Given an asynchronous endpoint without an instance, and scaling that looks at its backlog
    variant = {"ModelName": modes.model("hello"), "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
    output = {"S3OutputPath": f"s3://{modes.bucket}/from-zero"}
    name = modes.endpoint(variant, AsyncInferenceConfig={"OutputConfig": output})
    scale(modes, name, 0)
    resource, dimension = f"endpoint/{name}/variant/AllTraffic", "sagemaker:variant:DesiredInstanceCount"
    out_of_zero(modes, resource, dimension, "HasBacklogWithoutCapacity", {"EndpointName": name})

    # When something is asked
    accepted = send(modes, name, "world")

    # Then there is an instance, and an answer
    assert until(lambda: read(modes, accepted["OutputLocation"]), bool, seconds=60) == "hello world"
    modes.sagemaker.delete_endpoint(EndpointName=name)


def test_a_request_that_nobody_can_answer_brings_a_copy_and_an_instance(modes: Modes) -> None:
    # Given a component without a copy on an endpoint without an instance, and scaling that looks at refused requests
    components = Components(modes)
    name = components.create("hello")["InferenceComponentName"]
    components.set_count(name, 0)
    until(components.instances, lambda count: count == 0, seconds=60)
    resource, dimension = f"inference-component/{name}", "sagemaker:inference-component:DesiredCopyCount"
    out_of_zero(modes, resource, dimension, "NoCapacityInvocationFailures", {"InferenceComponentName": name})

    # When somebody asks until there is an answer
    def ask() -> Any:
        try:
            return components.ask(name, "world")
        except ClientError as error:
            return error

    # Then there is one, from a copy that was not there
    assert isinstance(ask(), ClientError)
    assert until(ask, lambda answer: isinstance(answer, str), seconds=60) == "hello world"
    assert components.instances() == 1
    components.delete(name)
    modes.sagemaker.delete_endpoint(EndpointName=components.endpoint)
