"""Endpoints of every mode, before the gate."""

import copy
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from hf_sagemaker.controls.assembly import environments
from hf_sagemaker.controls.catalog import CONTROLS
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.verdict import verdict
from stacks.gate import Gate
from stacks.ml_environment import MlEnvironment
from stacks.settings_files import load_environments
from tests.compliance.mutant import Mutant, Stacks, first

FOLDER = Path(__file__).parents[1] / "environments/endpoints"


@pytest.fixture(scope="module")
def synthesised(
    context: dict[str, Any], without_validation: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], Path]:
    """What the gate finds in the environment, and where its assembly is."""
    out = tmp_path_factory.mktemp("modes") / "cdk.out"
    app = App(context=context, outdir=str(out))
    for name, settings in load_environments(FOLDER).items():
        MlEnvironment(app, name, settings)
    return Gate(app).synthesise(out / "evidence"), out


@pytest.fixture(scope="module")
def modes(synthesised: tuple[list[str], Path]) -> Templates:
    return environments(synthesised[1])["modes"]


def test_every_mode_passes(synthesised: tuple[list[str], Path]) -> None:
    assert synthesised[0] == []


CONFIG, COMPONENT = "AWS::SageMaker::EndpointConfig", "AWS::SageMaker::InferenceComponent"
LOCAL = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


def _config(stacks: Stacks, endpoint: str) -> dict[str, Any]:
    properties: dict[str, Any] = first(stacks, CONFIG, f"/Endpoint{endpoint}/")["Properties"]
    return properties


def _components_with_a_network(stacks: Stacks) -> None:
    _config(stacks, "Shared").pop("EnableNetworkIsolation")


def _a_component_of_another_model(stacks: Stacks) -> None:
    first(stacks, COMPONENT)["Properties"]["Specification"]["ModelName"] = "somebodys"


def _a_pool_with_another_model(stacks: Stacks) -> None:
    _config(stacks, "Pooled")["ProductionVariants"][0]["InstancePools"][0]["ModelNameOverride"] = "somebodys"


def _components_in_no_network(stacks: Stacks) -> None:
    _config(stacks, "Shared").pop("VpcConfig")


def _a_key_for_pools_with_local_storage(stacks: Stacks) -> None:
    _config(stacks, "Pooled")["KmsKeyId"] = LOCAL


def _an_unknown_type_in_a_pool(stacks: Stacks) -> None:
    _config(stacks, "Pooled")["ProductionVariants"][0]["InstancePools"][0]["InstanceType"] = "ml.g4dn.3xlarge"


def _a_shadow_of_another_model(stacks: Stacks) -> None:
    _config(stacks, "Shadowed")["ShadowProductionVariants"][0]["ModelName"] = "somebodys"


def _instances_that_do_not_follow_copies(stacks: Stacks) -> None:
    _config(stacks, "Shared")["ProductionVariants"][0].pop("ManagedInstanceScaling")


def _no_room_for_copies(stacks: Stacks) -> None:
    _config(stacks, "Shared")["ProductionVariants"][0]["ManagedInstanceScaling"]["MaxInstanceCount"] = 0


def _answers_anywhere(stacks: Stacks) -> None:
    policy = first(stacks, "AWS::IAM::ManagedPolicy", "/AsynchronousPolicy/")["Properties"]["PolicyDocument"]
    (statement,) = [each for each in policy["Statement"] if "s3:PutObject" in each["Action"]]
    statement["Resource"]["Fn::Join"][1][-1] = "/*"


@pytest.mark.parametrize(
    ("control", "mutant"),
    [
        (35, _answers_anywhere),
        (38, _components_with_a_network),
        (38, _a_component_of_another_model),
        (38, _a_pool_with_another_model),
        (38, _a_shadow_of_another_model),
        (39, _components_in_no_network),
        (40, _a_key_for_pools_with_local_storage),
        (43, _instances_that_do_not_follow_copies),
        (43, _no_room_for_copies),
        (51, _an_unknown_type_in_a_pool),
    ],
)
def test_what_is_wrong_with_a_mode_is_found(modes: Templates, control: int, mutant: Mutant) -> None:
    # Given the environment with one thing broken
    stacks = copy.deepcopy(dict(modes.stacks))
    mutant(stacks)
    broken = Templates("modes", account=modes.account, region=modes.region, stacks=stacks)
    # Then its control finds one fault more than before
    (judge,) = [each for each in CONTROLS if each.number == control]
    before, after = (len(verdict(judge, templates).breaches) for templates in (modes, broken))
    assert after == before + 1


def test_in_prod_a_queue_and_a_shadow_need_no_second_instance(modes: Templates) -> None:
    # Given these stacks protected, as in prod
    templates = Templates(
        "modes", account=modes.account, region=modes.region, stacks=modes.stacks, protected=list(modes.stacks)
    )
    # Then a second instance is asked for where somebody waits for an answer
    (control,) = [each for each in CONTROLS if each.number == 41]
    stacks = {breach.resource.stack for breach in verdict(control, templates).breaches}
    assert stacks == {f"modes-Endpoint{name}" for name in ("Plain", "Pooled", "Weighted", "Shadowed", "Shared", "Many")}
    shadowed = [each for each in verdict(control, templates).breaches if "Shadowed" in each.resource.stack]
    assert len(shadowed) == 1
