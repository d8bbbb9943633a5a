"""An image that a state machine's input names counts as pinned only where no way leaves it open."""

import copy
import json
from typing import Any

import pytest

from hf_sagemaker.controls.containers import CONTROLS
from hf_sagemaker.controls.control import Breach
from hf_sagemaker.controls.image_guards import patterns_of
from hf_sagemaker.controls.templates import Templates
from tests.compliance.mutants_training import in_the_definition

GUARD = {"Variable": "$.image.uri", "StringMatches": "mine@sha256:*", "Next": "Train"}


def _graph(**changes: dict[str, Any]) -> dict[str, Any]:
    states: dict[str, Any] = {
        "Read": {"Type": "Task", "ResultPath": "$.image", "Next": "Built"},
        "Built": {"Type": "Choice", "Choices": [GUARD], "Default": "Missing"},
        "Missing": {"Type": "Fail"},
        "Train": {"Type": "Task", "End": True},
    }
    return {"StartAt": "Read", "States": states | changes}


def test_what_a_choice_let_pass_is_known() -> None:
    assert patterns_of(_graph(), "Train", "$.image.uri") == {"mine@sha256:*"}


def _named(name: str, pattern: str) -> dict[str, Any]:
    named = {"Variable": "$.name", "StringEquals": name}
    return {"And": [named, {"Variable": "$.image.uri", "StringMatches": pattern}], "Next": "Train"}


def test_of_several_images_each_is_known() -> None:
    # Given a choice that lets two images pass, each under its name
    choices = [_named("mine", "mine@sha256:*"), _named("ours", "ours@sha256:*")]
    graph = _graph(Built={"Type": "Choice", "Choices": choices, "Default": "Missing"})
    # Then it is one of the two
    assert patterns_of(graph, "Train", "$.image.uri") == {"mine@sha256:*", "ours@sha256:*"}
    # But not when one of them is let pass unseen
    choices.append({"Variable": "$.name", "StringEquals": "theirs", "Next": "Train"})
    assert patterns_of(graph, "Train", "$.image.uri") == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Read": {"Type": "Task", "ResultPath": "$.image", "Next": "Train"}}, id="no guard"),
        pytest.param({"Built": {"Type": "Choice", "Choices": [GUARD], "Default": "Train"}}, id="a way around"),
        pytest.param({"Built": {"Type": "Choice", "Choices": [{"Not": GUARD, "Next": "Train"}]}}, id="the opposite"),
        pytest.param(
            {
                "Built": {"Type": "Choice", "Choices": [GUARD | {"Next": "Again"}]},
                "Again": {"Type": "Task", "ResultPath": "$.image.uri", "Next": "Train"},
            },
            id="written again",
        ),
        pytest.param(
            {
                "Built": {"Type": "Choice", "Choices": [GUARD | {"Next": "Other"}]},
                "Other": {"Type": "Task", "ResultPath": "$.other", "OutputPath": "$.other", "Next": "Train"},
            },
            id="another input",
        ),
        pytest.param(
            {
                "Read": {
                    "Type": "Task",
                    "ResultPath": "$.image",
                    "Next": "Built",
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Train"}],
                }
            },
            id="after an error",
        ),
    ],
)
def test_a_way_that_leaves_it_open_is_found(changes: dict[str, Any]) -> None:
    assert patterns_of(_graph(**changes), "Train", "$.image.uri") == frozenset()


def _any_training_image(state: dict[str, Any]) -> None:
    _by_digest(state, "$.trainingImage.uri")["StringMatches"] = "*"


def _any_inference_image(state: dict[str, Any]) -> None:
    _by_digest(state, "$.inferenceImage.uri")["StringMatches"] = "*"


def _by_digest(state: dict[str, Any], path: str) -> dict[str, Any]:
    """The condition on the address."""
    rules: list[dict[str, Any]] = state["Choices"][0]["And"]
    return next(each for each in rules if each["Variable"] == path)


def _by_name_only(state: dict[str, Any]) -> None:
    del state["Choices"][0]["And"][1:]


def _no_choice(state: dict[str, Any]) -> None:
    state["Default"] = state["Choices"][0]["Next"]


def _from_the_request(state: dict[str, Any]) -> None:
    text = json.dumps(state).replace("$.trainingImage.uri", "$.request.image").replace("$.inferenceImage.uri", "$.mine")
    state.clear()
    state.update(json.loads(text))


@pytest.mark.parametrize(
    ("state", "broken"),
    [
        ("ImagesBuilt", _any_training_image),
        ("ImagesBuilt", _any_inference_image),
        ("ImagesBuilt", _no_choice),
        ("ImagesBuilt", _by_name_only),
        ("TrainOnDemand", _from_the_request),
        ("Register", _from_the_request),
    ],
)
def test_a_workflow_that_would_run_another_image_breaks_both_controls(
    full_environments: dict[str, Templates], state: str, broken: Any
) -> None:
    # Given the templates of dev with one state broken
    sound = full_environments["dev"]
    stacks = copy.deepcopy({name: dict(template) for name, template in sound.stacks.items()})
    in_the_definition(state, broken)(stacks)
    mutated = Templates(
        sound.name, account=sound.account, region=sound.region, stacks=stacks, protected=sorted(sound.protected)
    )
    # When the controls of images judge them, then both find it
    for number in (47, 48):
        (control,) = (c for c in CONTROLS if c.number == number)
        assert any(isinstance(finding, Breach) for finding in control.check(mutated))
        assert not any(isinstance(finding, Breach) for finding in control.check(sound))
