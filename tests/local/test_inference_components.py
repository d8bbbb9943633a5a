"""Inference components: many models on the instances of one endpoint, each with copies of its own."""

import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.compute_projects import ROLE, until
from tests.local.control import control
from tests.local.embedded_aws import Stacks
from tests.local.served_modes import Modes

SCALING = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
NEEDS = {"NumberOfCpuCoresRequired": 2, "MinMemoryRequiredInMb": 1024}  # two of them fill an instance


class Components:
    """Those of one endpoint, whose instances (4 CPU cores, 1 GPU, 16 GiB) are 0 to 2."""

    def __init__(self, modes: Modes) -> None:
        self.modes = modes
        self.api = modes.sagemaker
        self.variant = {
            "InstanceType": "ml.g4dn.xlarge",
            "InitialInstanceCount": 1,
            "ManagedInstanceScaling": SCALING,
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        }
        self.endpoint = modes.endpoint(self.variant, ExecutionRoleArn=ROLE)

    def create(self, word: str | None, *, copies: int = 1, **needs: Any) -> dict[str, Any]:
        """Makes one with such a model, and waits; its description."""
        name = f"component-{uuid.uuid4().hex[:8]}"
        self.api.create_inference_component(
            InferenceComponentName=name,
            EndpointName=self.endpoint,
            VariantName="AllTraffic",
            Specification=self.specification(word, **needs),
            RuntimeConfig={"CopyCount": copies},
        )
        return self.settled(name)

    def specification(self, word: str | None, **needs: Any) -> dict[str, Any]:
        return {"ModelName": self.modes.model(word), "ComputeResourceRequirements": {**NEEDS, **needs}}

    def settled(self, name: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.api.describe_inference_component(InferenceComponentName=name)
            return described

        moving = ("Creating", "Updating")
        return until(look, lambda component: component["InferenceComponentStatus"] not in moving, seconds=100)

    def set_count(self, name: str, count: int) -> dict[str, Any]:
        self.api.update_inference_component_runtime_config(
            InferenceComponentName=name, DesiredRuntimeConfig={"CopyCount": count}
        )
        return self.settled(name)

    def ask(self, name: str, text: str) -> str:
        return self.modes.ask(self.endpoint, text, InferenceComponentName=name)

    def instances(self) -> int:
        described = self.api.describe_endpoint(EndpointName=self.endpoint)["ProductionVariants"][0]
        return int(described["CurrentInstanceCount"])

    def delete(self, *names: str) -> None:
        for name in names:
            self.api.delete_inference_component(InferenceComponentName=name)
        until(self.names, lambda left: not set(names) & set(left), seconds=60)

    def names(self) -> list[str]:
        listed = self.api.list_inference_components(EndpointNameEquals=self.endpoint)["InferenceComponents"]
        return [each["InferenceComponentName"] for each in listed]


@pytest.fixture(scope="module")
def components(modes: Modes) -> Components:
    return Components(modes)


@pytest.fixture(scope="module")
def hello(components: Components) -> str:
    """A component in service that answers hello; its name."""
    described = components.create("hello")
    assert described["InferenceComponentStatus"] == "InService", described
    return str(described["InferenceComponentName"])


@pytest.fixture
def stacks(modes: Modes) -> Iterator[Stacks]:
    made = Stacks(modes.running)
    yield made
    made.delete_all()


def test_each_component_answers_with_its_own_model(components: Components, hello: str) -> None:
    # Given two components on one instance
    other = components.create("hi")["InferenceComponentName"]
    assert components.instances() == 1

    # Then each answers with its model, and the requests of each are counted apart
    assert components.ask(hello, "world") == "hello world"
    assert components.ask(other, "world") == "hi world"
    total = lambda: components.modes.total("Invocations", {"InferenceComponentName": other})  # noqa: E731
    until(total, lambda number: number == 1, seconds=10)
    components.delete(other)


def test_a_request_must_say_which_component_it_means(components: Components, hello: str) -> None:
    with pytest.raises(ClientError, match="Inference Component Name header is required"):
        components.modes.ask(components.endpoint, "world")
    with pytest.raises(ClientError, match="Inference Component nobody of endpoint"):
        components.ask("nobody", "world")


def test_without_a_copy_nobody_answers_and_it_is_counted(components: Components, hello: str) -> None:
    # Given a component without copies
    described = components.set_count(hello, 0)
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 0, "CurrentCopyCount": 0}

    # When somebody asks
    with pytest.raises(ClientError, match="Inference Component has no capacity to process this request") as error:
        components.ask(hello, "world")

    # Then it is AWS's error, and what scales from zero sees it
    assert error.value.response["Error"]["Code"] == "ValidationError"
    dimensions = {"InferenceComponentName": hello}
    missing = lambda: components.modes.total("NoCapacityInvocationFailures", dimensions)  # noqa: E731
    until(missing, lambda number: number == 1, seconds=10)

    # And the instance goes, for there may be none
    until(components.instances, lambda count: count == 0, seconds=60)

    # When there is to be a copy again, then there is, with an instance to be on
    assert components.set_count(hello, 1)["RuntimeConfig"]["CurrentCopyCount"] == 1
    assert components.instances() == 1
    assert components.ask(hello, "again") == "hello again"


def test_instances_come_when_copies_need_them_and_no_more_than_there_may_be(components: Components, hello: str) -> None:
    # Given an instance for two copies; when there are to be three, then there are two instances
    described = components.set_count(hello, 3)
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 3
    assert components.instances() == 2

    # When there are to be more than two instances can have
    refused = components.set_count(hello, 5)

    # Then it keeps those that it has, and says why
    assert refused["InferenceComponentStatus"] == "InService"
    assert refused["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}
    assert "There is not enough hardware resources on the instances" in refused["FailureReason"]

    # And an instance without copies goes
    components.set_count(hello, 1)
    until(components.instances, lambda count: count == 1, seconds=60)


def test_what_no_instance_can_hold_is_refused(components: Components) -> None:
    with pytest.raises(ClientError, match="needs 2 CPU cores, 2 accelerators and 1024 MB of memory, more than"):
        components.create("big", NumberOfAcceleratorDevicesRequired=2)


def test_the_endpoint_can_change_around_its_components(components: Components, hello: str) -> None:
    # Given a component; when its endpoint is to have one instance at least
    variant = {**components.variant, "ManagedInstanceScaling": {**SCALING, "MinInstanceCount": 1}}
    config = components.modes.config(variant, ExecutionRoleArn=ROLE)
    components.api.update_endpoint(EndpointName=components.endpoint, EndpointConfigName=config)
    described = components.modes.settled(components.endpoint)

    # Then it has, and the component goes on
    assert described["EndpointConfigName"] == config
    assert described["ProductionVariants"][0]["ManagedInstanceScaling"]["MinInstanceCount"] == 1
    assert components.ask(hello, "still") == "hello still"

    # When its instances are to be of another type, then that is refused
    other = components.modes.config({**variant, "InstanceType": "ml.g5.xlarge"}, ExecutionRoleArn=ROLE)
    with pytest.raises(ClientError, match="does not move inference components to another instance type"):
        components.api.update_endpoint(EndpointName=components.endpoint, EndpointConfigName=other)


def test_a_new_model_takes_over_without_a_failed_request(components: Components, hello: str) -> None:
    # Given requests that come all the time
    answers: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.05):
            try:
                answers.append(components.ask(hello, "you"))
            except ClientError as error:
                answers.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()

    # When the component gets another model
    components.api.update_inference_component(
        InferenceComponentName=hello, Specification=components.specification("welcome")
    )
    described = components.settled(hello)
    until(lambda: answers[-1:], lambda last: last == ["welcome you"], seconds=10)
    stop.set()
    asking.join()

    # Then everybody was answered, first by the old one, then by the new one
    assert described["InferenceComponentStatus"] == "InService"
    assert list(dict.fromkeys(answers)) == ["hello you", "welcome you"]


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_in_service(components: Components, hello: str) -> None:
    before = components.ask(hello, "you")

    components.api.update_inference_component(
        InferenceComponentName=hello, Specification=components.specification(None)
    )
    described = components.settled(hello)

    assert described["InferenceComponentStatus"] == "InService"
    assert "the model could not be loaded: word.txt is missing" in described["FailureReason"]
    assert components.ask(hello, "you") == before


def test_an_alarm_takes_a_rolling_update_back(components: Components, hello: str) -> None:
    # Given an alarm that goes off when it sees nothing, and sees nothing
    before = components.ask(hello, "you")
    cloudwatch = components.modes.running.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="nothing-to-see",
        MetricName="Nothing",
        Namespace="Tests",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="breaching",
    )

    def state() -> str:
        return str(cloudwatch.describe_alarms(AlarmNames=["nothing-to-see"])["MetricAlarms"][0]["StateValue"])

    until(state, lambda value: value == "ALARM", seconds=20)

    # When a component is updated that it watches
    components.api.update_inference_component(
        InferenceComponentName=hello,
        Specification=components.specification("worse"),
        DeploymentConfig={
            "RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1},
                "WaitIntervalInSeconds": 60,
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "nothing-to-see"}]},
        },
    )
    described = components.settled(hello)

    # Then what was there before is there again
    cloudwatch.delete_alarms(AlarmNames=["nothing-to-see"])
    assert "in state ALARM: nothing-to-see" in described["FailureReason"]
    assert components.ask(hello, "you") == before


def test_copies_wait_for_nothing_where_aws_has_no_instance(components: Components, hello: str) -> None:
    # Given a type of which AWS has no further instance
    components.set_count(hello, 2)
    control(components.modes.running, "faults", {"no_capacity": "ml.g4dn.*"})

    # When copies need one more
    described = components.set_count(hello, 3)

    # Then the component stays as it is, and says why
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    assert "InsufficientInstanceCapacity" in described["FailureReason"]
    components.set_count(hello, 1)


def test_a_component_that_cannot_come_up_fails_and_goes(components: Components) -> None:
    described = components.create(None)

    assert described["InferenceComponentStatus"] == "Failed"
    assert "the model could not be loaded: word.txt is missing" in described["FailureReason"]
    components.delete(described["InferenceComponentName"])


def test_an_endpoint_stays_as_long_as_it_has_components(components: Components, hello: str) -> None:
    # Given an endpoint with a component
    with pytest.raises(ClientError, match=f"it hosts the inference component\\(s\\) .*{hello}"):
        components.api.delete_endpoint(EndpointName=components.endpoint)

    # When that is gone, then the endpoint can go, and nothing runs
    components.delete(hello)
    components.api.delete_endpoint(EndpointName=components.endpoint)
    until(lambda: components.modes.containers(f"endpoint {components.endpoint},"), lambda left: left == 0, seconds=30)


def template(components: Components, model: str, copies: int) -> str:
    """A stack with an endpoint and one component of it."""
    variant = {"VariantName": "AllTraffic", **components.variant}
    component = {
        "EndpointName": {"Fn::GetAtt": ["Endpoint", "EndpointName"]},
        "VariantName": "AllTraffic",
        "Specification": {"ModelName": model, "ComputeResourceRequirements": NEEDS},
        "RuntimeConfig": {"CopyCount": copies},
        "Tags": [{"Key": "copies", "Value": str(copies)}],
    }
    resources = {
        "Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ExecutionRoleArn": ROLE, "ProductionVariants": [variant]},
        },
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": "of-a-stack",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
        "Component": {"Type": "AWS::SageMaker::InferenceComponent", "Properties": component},
    }
    names = {"Arn": {"Ref": "Component"}, "Copies": {"Fn::GetAtt": ["Component", "RuntimeConfig.CurrentCopyCount"]}}
    outputs = {name: {"Value": value} for name, value in names.items()}
    return json.dumps({"Resources": resources, "Outputs": outputs})


def test_a_stack_makes_and_changes_a_component(components: Components, stacks: Stacks) -> None:
    # Given a stack with a component
    api, modes = components.api, components.modes
    good = modes.model("from the stack")
    assert stacks.create("components", template(components, good, 1))["StackStatus"] == "CREATE_COMPLETE"
    name = stacks.outputs("components")["Arn"].rpartition("/")[2]

    def ask() -> str:
        return modes.ask("of-a-stack", "you", InferenceComponentName=name)

    assert ask() == "from the stack you"

    # When it gets a model that cannot be loaded, then the stack goes back
    broken = stacks.update("components", template(components, modes.model(None), 1))
    assert broken["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "word.txt is missing" in stacks.reasons("components", "UPDATE_FAILED")["Component"]
    assert ask() == "from the stack you"

    # When it gets another copy, then it has it, and is the same
    assert stacks.update("components", template(components, good, 2))["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.outputs("components")["Copies"] == "2"
    assert stacks.outputs("components")["Arn"].endswith(name)
    assert {"Key": "copies", "Value": "2"} in api.list_tags(ResourceArn=stacks.outputs("components")["Arn"])["Tags"]

    # When the stack is deleted, the component goes before the endpoint
    assert stacks.delete("components")["StackStatus"] == "DELETE_COMPLETE"
    assert api.list_inference_components(NameContains=name)["InferenceComponents"] == []
