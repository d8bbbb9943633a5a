"""Updates of an endpoint that scales, by CloudFormation, one deployment each; SageMaker refuses them while registered.

The tests of this module build on each other and run in the order of the file.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hf_sagemaker.update_safety import UpdateSafety
from tests.local.compute_projects import until
from tests.local.embedded_aws import Stacks
from tests.local.quick_endpoints import QuickEndpoints, quick_endpoints
from tests.local.scaled_stack import DECLARATIONS, ENDPOINT, STACK, scaled_template

BUCKET = "models-of-scaled-endpoints"
SMALL, LARGE = {"AllTraffic": "ml.g4dn.xlarge"}, {"AllTraffic": "ml.g5.xlarge"}
TWO = {"AllTraffic": "ml.g5.xlarge", "Challenger": "ml.g4dn.xlarge"}


@dataclass
class Scaled:
    """The stack and its endpoint."""

    endpoints: QuickEndpoints
    stacks: Stacks

    def template(self, variants: dict[str, str], word: str, **options: Any) -> str:
        s3, image = self.endpoints.s3, self.endpoints.image
        return scaled_template(s3, image=image, bucket=BUCKET, variants=variants, word=word, **options)

    def update(self, variants: dict[str, str], word: str, **options: Any) -> str:
        """Deploys; the stack's status at the end."""
        arguments = {"Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]}
        return str(self.stacks.update(STACK, self.template(variants, word, **options), **arguments)["StackStatus"])

    @property
    def registered(self) -> list[str]:
        """Names of the variants that are."""
        client = self.endpoints.running.client("application-autoscaling")
        targets = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return sorted(each["ResourceId"].rpartition("/")[2] for each in targets)

    @property
    def policies(self) -> list[str]:
        client = self.endpoints.running.client("application-autoscaling")
        found = client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
        return [each["PolicyName"] for each in found if each["ResourceId"].startswith(f"endpoint/{ENDPOINT}/")]

    def types(self) -> dict[str, str]:
        """What serves: instance type by variant."""
        name = self.endpoints.described(ENDPOINT)["EndpointConfigName"]
        config = self.endpoints.sagemaker.describe_endpoint_config(EndpointConfigName=name)
        return {each["VariantName"]: each["InstanceType"] for each in config["ProductionVariants"]}

    def count(self) -> int:
        (variant,) = self.endpoints.described(ENDPOINT)["ProductionVariants"]
        return int(variant["CurrentInstanceCount"])


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    """With the endpoint deployed on ml.g4dn.xlarge."""
    with quick_endpoints(tmp_path_factory.mktemp("localcloud")) as endpoints:
        endpoints.s3.create_bucket(Bucket=BUCKET)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.addfile(tarfile.TarInfo("config.json"))
        endpoints.s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=packed.getvalue())
        made = Scaled(endpoints, Stacks(endpoints.running))
        stack = made.stacks.create(STACK, made.template(SMALL, "first"), Capabilities=["CAPABILITY_NAMED_IAM"])
        assert stack["StackStatus"] == "CREATE_COMPLETE", made.stacks.reasons(STACK, "CREATE_FAILED")
        yield made


def test_a_new_endpoint_scales_and_was_asked(scaled: Scaled) -> None:
    assert (scaled.registered, scaled.policies) == (["AllTraffic"], ["Target"])
    assert scaled.endpoints.ask(ENDPOINT) == "first"


def test_the_instance_type_changes_in_one_deployment_and_the_count_stays(scaled: Scaled) -> None:
    # Given two instances, as scaling had brought them
    scaled.endpoints.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=ENDPOINT, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    )
    # When the type changes while that scaling activity still runs
    assert scaled.update(LARGE, "second") == "UPDATE_COMPLETE"
    # Then the new type serves with as many, registered as before
    assert (scaled.types(), scaled.count()) == (LARGE, 2)
    assert (scaled.registered, scaled.policies) == (["AllTraffic"], ["Target"])
    assert scaled.endpoints.ask(ENDPOINT) == "second"


def test_without_the_pause_sagemaker_would_have_refused(scaled: Scaled) -> None:
    config = scaled.endpoints.config(scaled.endpoints.variant("other", InstanceType="ml.g4dn.xlarge"))
    with pytest.raises(scaled.endpoints.sagemaker.exceptions.ClientError, match="must be deregistered"):
        scaled.endpoints.update(ENDPOINT, config)


def test_a_variant_comes_and_goes(scaled: Scaled) -> None:
    assert scaled.update(TWO, "second") == "UPDATE_COMPLETE"
    assert scaled.registered == ["AllTraffic", "Challenger"]
    assert scaled.update(LARGE, "second") == "UPDATE_COMPLETE"
    assert (scaled.types(), scaled.registered) == (LARGE, ["AllTraffic"])


def test_an_endpoint_that_does_not_answer_is_rolled_back_with_its_type_and_its_scaling(scaled: Scaled) -> None:
    # Given another type and a model that answers 400
    assert scaled.update(SMALL, "400") == "UPDATE_ROLLBACK_COMPLETE"
    # Then people are told what it said, and what was there before is there again
    (reason,) = [each for each in scaled.stacks.reasons(STACK, "UPDATE_FAILED").values() if "answered" in each]
    assert f"The endpoint {ENDPOINT} (AllTraffic) answered its example with 400" in reason
    assert scaled.types() == LARGE
    assert (scaled.registered, scaled.policies) == (["AllTraffic"], ["Target"])
    assert scaled.endpoints.ask(ENDPOINT) == "second"


def test_a_container_that_does_not_start_is_rolled_back_too(scaled: Scaled) -> None:
    assert scaled.update(SMALL, "unhealthy") == "UPDATE_ROLLBACK_COMPLETE"
    assert (scaled.types(), scaled.registered, scaled.policies) == (LARGE, ["AllTraffic"], ["Target"])


def test_a_deployment_that_is_cancelled_ends_as_before(scaled: Scaled) -> None:
    # Given an update to another type that bakes
    template = scaled.template(SMALL, "third", update=UpdateSafety(strategy="canary", wait=1800, rollback_alarms=()))
    scaled.stacks.api.update_stack(StackName=STACK, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"])
    scaled.endpoints.baking(ENDPOINT)
    assert scaled.registered == []
    # When somebody cancels it
    scaled.stacks.api.cancel_update_stack(StackName=STACK)
    # Then at its end the endpoint is as before, and scales
    assert scaled.stacks.wait(STACK)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert (scaled.types(), scaled.registered, scaled.policies) == (LARGE, ["AllTraffic"], ["Target"])


def test_what_was_lost_is_registered_again_at_the_next_look(scaled: Scaled) -> None:
    # Given a registration that somebody has taken off
    resource = f"endpoint/{ENDPOINT}/variant/AllTraffic"
    running = scaled.endpoints.running
    running.client("application-autoscaling").deregister_scalable_target(
        ServiceNamespace="sagemaker", ResourceId=resource, ScalableDimension="sagemaker:variant:DesiredInstanceCount"
    )
    # When the function looks
    functions = running.client("lambda")
    (name,) = [f["FunctionName"] for f in functions.list_functions()["Functions"] if "Scaler" in f["FunctionName"]]
    event = {"declarations": DECLARATIONS, "endpoint": ENDPOINT}
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
    assert json.loads(answer["Payload"].read()) == {ENDPOINT: "as declared"}
    assert scaled.registered == ["AllTraffic"]


def test_scaling_is_taken_away_and_brought_back_with_another_type(scaled: Scaled) -> None:
    assert scaled.update(SMALL, "second", scales=False) == "UPDATE_COMPLETE"
    assert (scaled.types(), scaled.registered) == (SMALL, [])
    assert scaled.update(LARGE, "second") == "UPDATE_COMPLETE"
    assert (scaled.types(), scaled.registered) == (LARGE, ["AllTraffic"])


def test_a_stack_that_is_deleted_leaves_nothing(scaled: Scaled) -> None:
    assert scaled.stacks.delete(STACK)["StackStatus"] == "DELETE_COMPLETE"
    until(lambda: scaled.registered, lambda found: found == [], seconds=10)
    assert ENDPOINT not in [each["EndpointName"] for each in scaled.endpoints.sagemaker.list_endpoints()["Endpoints"]]
