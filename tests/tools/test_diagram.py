"""`hfsm diagram`: what is drawn is what is deployed, and the drawing in docs/ is of the templates as they are."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfsm.diagram import definitions, dot, overview

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "tests" / "snapshots" / "dev-Training.json"


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    [found] = definitions(json.loads(TEMPLATE.read_text())).values()
    return found


def targets(state: dict[str, Any]) -> set[str]:
    ways = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return {way["Next"] for way in ways if "Next" in way} | {state[key] for key in ("Default",) if key in state}


def test_every_state_and_every_way_is_drawn(definition: dict[str, Any]) -> None:
    drawn = {(start, end) for start, end in re.findall(r'"(\w+)" -> "(\w+)"', dot(definition))}
    ways = {(name, target) for name, state in definition["States"].items() for target in targets(state)}
    assert ways <= drawn
    assert len(ways) > len(definition["States"])


@pytest.mark.parametrize(("picture_of", "name"), [(dict, "training-whole"), (overview, "training")])
def test_the_pictures_in_docs_are_of_the_templates_as_they_are(
    definition: dict[str, Any], picture_of: Callable[[dict[str, Any]], dict[str, Any]], name: str
) -> None:
    # Given a picture, in which Graphviz names every node and every arrow
    picture = ElementTree.parse(ROOT / "docs" / "diagrams" / f"{name}.svg")
    definition = picture_of(definition)
    titles = {title.text or "" for title in picture.iter("{http://www.w3.org/2000/svg}title")}
    # Then they are those of the definition; otherwise run `make diagrams` and look at it
    drawn = dot(definition)
    arrows = {f"{start}->{end}" for start, end in re.findall(r'"?([\w ]+)"? -> "([\w ]+)"', drawn)}
    assert {title for title in titles if "->" in title} == {arrow.strip() for arrow in arrows}
    assert set(definition["States"]) <= titles


def test_an_overview_shows_the_ways_to_the_end_and_no_errors(definition: dict[str, Any]) -> None:
    drawn = overview(definition)["States"]
    assert {"Validate", "TrainOnSpot", "TrainOnDemand", "Evaluate", "Register", "Done"} <= set(drawn)
    assert not {"Failed", "WhatFailed", "WaitForSpotJob", "DescribeSpotJob", "GateFailed"} & set(drawn)
    # And none of its ways leads out of the picture
    assert {target for state in drawn.values() for target in targets(state)} <= set(drawn)


def test_a_template_without_a_state_machine_is_told(hfsm: Any, tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text("{}")
    result = hfsm("diagram", path)
    assert result.code == 2
    assert "must hold one state machine to draw; it has none" in result.err


def test_the_command_prints_a_graph(hfsm: Any) -> None:
    result = hfsm("diagram", TEMPLATE)
    assert result.code == 0, result.err
    assert result.out.startswith("digraph {")
