"""One, ten and three hundred endpoints in one environment: one more changes one stack, and nothing nears a limit."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.application.test_changes import MOST_RESOURCES

ENDPOINTS = 300
TEMPLATE_BYTES, MOST_BYTES = 1_000_000, 500_000
"""What CloudFormation takes, and half of it: the rest is for what a team adds."""
POLICY_LETTERS = 6144
PATTERN_LETTERS, INPUT_LETTERS = 2048, 8192
"""What EventBridge takes of a rule's pattern, and of a target's input."""
COMMIT = "a" * 40

Settings = dict[str, Any]
Stacks = dict[str, dict[str, Any]]
Synthesise = Callable[[dict[str, Settings]], Stacks]


def _environment(served: Settings, number: int) -> Settings:
    """dev with so many endpoints, by turns of each origin."""
    models = [
        {"model_package": served["inference"]["endpoints"][0]["model"]["model_package"]},
        {"approved": "text-classification"},
        {"hub": f"team/tiny@{COMMIT}", "task": "text-classification"},
        {"s3": "trained/1/output/model.tar.gz", "task": "text-classification"},
    ]
    endpoint = served["inference"]["endpoints"][0]
    names = [f"endpoint-{i:03}" for i in range(number)]
    endpoints = [{**endpoint, "name": name, "model": models[i % len(models)]} for i, name in enumerate(names)]
    hub = {"models": [{"id": "team/tiny", "revision": "main"}]}
    return {**served, "hub": hub, "inference": {"endpoints": endpoints}}


@pytest.fixture(scope="module")
def many(synthesise: Synthesise, served: Settings) -> Stacks:
    return synthesise({"dev": _environment(served, ENDPOINTS)})


@pytest.mark.parametrize("number", [10, ENDPOINTS - 1])
def test_one_more_changes_one_stack(synthesise: Synthesise, served: Settings, many: Stacks, number: int) -> None:
    # Given so many endpoints, and one more
    before = synthesise({"dev": _environment(served, number)})
    after = many if number + 1 == ENDPOINTS else synthesise({"dev": _environment(served, number + 1)})
    # Then nothing else changes, to the byte
    assert [name for name in after if after[name] != before.get(name)] == [f"dev-EndpointEndpoint{number:03}"]


def test_a_second_synth_is_identical(synthesise: Synthesise, served: Settings) -> None:
    first, second = (synthesise({"dev": _environment(served, 10)}) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_no_template_nears_a_limit(many: Stacks) -> None:
    # Given three hundred endpoints, each in a stack of its own
    assert len([name for name in many if name.startswith("dev-Endpoint")]) == ENDPOINTS
    # Then the largest template has half of what CloudFormation takes left, and of resources too
    sizes = {name: len(json.dumps(template).encode()) for name, template in many.items()}
    assert max(sizes.values()) < MOST_BYTES < TEMPLATE_BYTES
    assert max(len(template["Resources"]) for template in many.values()) < MOST_RESOURCES


def test_no_shared_policy_or_rule_grows_with_endpoints(synthesise: Synthesise, served: Settings, many: Stacks) -> None:
    # Given the smallest environment in which each origin occurs
    few = synthesise({"dev": _environment(served, 4)})
    # Then what all endpoints share is the same as with three hundred
    shared = [name for name in many if not name.startswith("dev-Endpoint")]
    assert {name: many[name] for name in shared} == {name: few[name] for name in shared}


def test_what_has_a_limit_of_its_own_keeps_it(many: Stacks) -> None:
    for name, template in many.items():
        for resource in template["Resources"].values():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::IAM::ManagedPolicy":
                assert _letters(properties["PolicyDocument"]) < POLICY_LETTERS, name
            if resource["Type"] == "AWS::Events::Rule":
                assert _letters(properties.get("EventPattern", {})) < PATTERN_LETTERS, name
                assert all(_letters(target) < INPUT_LETTERS for target in properties["Targets"]), name


def _letters(content: Any) -> int:
    return len(json.dumps(content, separators=(",", ":")))
