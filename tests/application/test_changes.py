"""Two synths and what lies between them: no change that people make every week may cost data."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from hf_sagemaker.controls.templates import Templates
from tests.application.replacements import is_immutable, name_property, of_types, replaced

STATEFUL = (
    "AWS::EC2::Subnet",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::ECR::Repository",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
)
"""Holds data, or is known by name or id to something outside that would be cut off."""
MOST_RESOURCES = 400

Settings = dict[str, Any]
Synthesise = Callable[[dict[str, Settings]], dict[str, dict[str, Any]]]


def _job_on_another_instance(dev: Settings) -> None:
    dev["training"]["job_types"][0] |= {"instance_type": "ml.g5.2xlarge", "allowed_instance_types": ["ml.g5.xlarge"]}


def _job_with_other_limits(dev: Settings) -> None:
    dev["training"]["job_types"][0] |= {"max_run": 7200, "max_wait": 9000, "use_spot_instances": False}


def _endpoint_on_another_instance(dev: Settings) -> None:
    dev["inference"]["endpoints"][0]["instance_type"] = "ml.g5.xlarge"


def _endpoint_on_an_instance_that_takes_a_key(dev: Settings) -> None:
    dev["inference"]["endpoints"][0]["instance_type"] = "ml.p3.2xlarge"


def _endpoint_with_more_instances(dev: Settings) -> None:
    dev["inference"]["endpoints"][0] |= {"min_instances": 2, "max_instances": 8}


def _another_model(dev: Settings) -> None:
    model = dev["inference"]["endpoints"][0]["model"]
    model["model_package"] = model["model_package"].rsplit("/", 1)[0] + "/4"


def _another_training_image(dev: Settings) -> None:
    dev["images"][0]["base"] = {"purpose": "training", "transformers": "4.49.0"}


def _another_inference_image(dev: Settings) -> None:
    dev["images"][1]["base"] = {"purpose": "inference", "transformers": "4.49.0"}


def _a_further_job_type(dev: Settings) -> None:
    dev["training"]["job_types"].append({"name": "summaries", "instance_type": "ml.g5.xlarge"})


def _a_further_endpoint(dev: Settings) -> None:
    first = dev["inference"]["endpoints"][0]
    dev["inference"]["endpoints"].append(first | {"name": "second"})


def _somebody_to_notify(dev: Settings) -> None:
    dev["training"]["notification_emails"] = ["ml@example.com"]


def _longer_flow_logs(dev: Settings) -> None:
    dev["network"]["flow_log_days"] = 90


CHANGES = [
    _job_on_another_instance,
    _job_with_other_limits,
    _endpoint_on_another_instance,
    _endpoint_on_an_instance_that_takes_a_key,
    _endpoint_with_more_instances,
    _another_model,
    _another_training_image,
    _another_inference_image,
    _a_further_job_type,
    _a_further_endpoint,
    _somebody_to_notify,
    _longer_flow_logs,
]


@pytest.fixture(scope="module")
def environment(synthesise: Synthesise) -> Callable[[Settings], Templates]:
    """Synthesises dev from settings."""

    def made(settings: Settings) -> Templates:
        return _templates(synthesise({"dev": settings}), "dev")

    return made


@pytest.fixture(scope="module")
def dev(environment: Callable[[Settings], Templates], served: Settings) -> Templates:
    return environment(copy.deepcopy(served))


def _templates(stacks: dict[str, dict[str, Any]], name: str) -> Templates:
    ours = {stack: template for stack, template in stacks.items() if stack.startswith(f"{name}-")}
    return Templates(name, account="123456789012", region="us-east-1", stacks=ours)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.lstrip("_"))
def test_a_change_of_settings_replaces_nothing_stateful(
    change: Callable[[Settings], None],
    environment: Callable[[Settings], Templates],
    dev: Templates,
    served: Settings,
) -> None:
    # Given an environment that serves a model
    settings = copy.deepcopy(served)
    # When its settings change
    change(settings)
    after = environment(settings)
    # Then the change arrives
    assert after.stacks != dev.stacks
    # and nothing that holds state goes
    assert of_types(replaced(dev, after), dev, *STATEFUL) == {}


def test_an_environment_does_not_change_when_others_come_and_go(
    synthesise: Synthesise, dev: Templates, served: Settings
) -> None:
    # Given dev alone; when another environment is added
    other = copy.deepcopy(served) | {"account": "999999999999"}
    both = synthesise({"dev": copy.deepcopy(served), "staging": other})
    # Then dev stays the same to the byte, and so it does when the other is removed again
    assert _templates(both, "dev").stacks == dev.stacks


def test_a_stateful_resource_that_is_renamed_is_found(dev: Templates) -> None:
    # Given a template in which a bucket gets another logical id
    stacks = copy.deepcopy(dict(dev.stacks))
    resources = stacks["dev-Data"]["Resources"]
    name = next(name for name, body in resources.items() if body["Type"] == "AWS::S3::Bucket")
    resources["Renamed"] = resources.pop(name)
    # Then the old one is found to go
    gone = of_types(replaced(dev, _templates(stacks, "dev")), dev, *STATEFUL)
    assert gone == {f"dev-Data/{name}": "AWS::S3::Bucket is no longer in the template"}


def test_a_changed_address_range_is_found_with_all_that_lies_in_it(
    environment: Callable[[Settings], Templates], dev: Templates, served: Settings
) -> None:
    # When the range of the VPC changes, which docs/stateful-resources.md warns of
    settings = copy.deepcopy(served)
    settings["network"]["cidr"] = "10.77.0.0/16"
    gone = of_types(replaced(dev, environment(settings)), dev, *STATEFUL)
    # Then the VPC goes, and its subnets and endpoints with it, because they refer to it
    types = {why.split(" ")[0] for why in gone.values()}
    assert types == {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::VPCEndpoint"}


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_no_immutable_resource_has_a_fixed_name(templates: dict[str, dict[str, Any]], name: str) -> None:
    # Its replacement would fail: "already exists"
    assert _named_immutables(_templates(templates, name)) == []


def test_a_fixed_name_on_an_immutable_resource_is_found(dev: Templates) -> None:
    stacks = copy.deepcopy(dict(dev.stacks))
    for resource in stacks["dev-EndpointSentiment"]["Resources"].values():
        if resource["Type"] == "AWS::SageMaker::Model":
            resource["Properties"]["ModelName"] = "sentiment"
    assert len(_named_immutables(_templates(stacks, "dev"))) == 1


def _named_immutables(templates: Templates) -> list[str]:
    return [
        f"{resource.stack}/{resource.logical_id} is named {resource.properties[name]}"
        for resource in templates.all
        if not resource.type.startswith("Custom::") and is_immutable(resource.type)
        if (name := name_property(resource.type)) in resource.properties
    ]


def test_stacks_stay_apart_and_small(templates: dict[str, dict[str, Any]]) -> None:
    assert _tied_or_large(templates) == []


def test_a_tied_or_large_stack_is_found(templates: dict[str, dict[str, Any]]) -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "dev-Data:Key"}}}
    large = {f"Topic{number}": {"Type": "AWS::SNS::Topic"} for number in range(MOST_RESOURCES + 1)}
    assert _tied_or_large({"tied": {"Resources": {"Topic": topic}}}) == ["tied imports a value"]
    assert _tied_or_large({"large": {"Resources": large}}) == ["large has 401 resources"]


def _tied_or_large(templates: dict[str, dict[str, Any]]) -> list[str]:
    # An imported value cannot change while it is imported; CloudFormation refuses a stack of more than 500 resources.
    return [
        *(
            f"{name} imports a value"
            for name, template in templates.items()
            if "Fn::ImportValue" in json.dumps(template)
        ),
        *(
            f"{name} has {count} resources"
            for name, template in templates.items()
            if (count := len(template["Resources"])) > MOST_RESOURCES
        ),
    ]
