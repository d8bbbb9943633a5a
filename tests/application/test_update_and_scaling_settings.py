"""Settings of scaling, of updates and of examples, by themselves."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stacks.image_settings import FOLDER
from stacks.scaling_settings import ScalingSettings, scaling_problems
from stacks.update_settings import ExampleSettings, UpdateSettings, update_problems

OFFICE = {
    "name": "office",
    "cron": "0 8 ? * MON-FRI *",
    "time_zone": "Europe/Berlin",
    "min_instances": 2,
    "max_instances": 8,
}


def _scaling(**fields: Any) -> ScalingSettings:
    return ScalingSettings.model_validate(fields)


def test_scaling_as_asked() -> None:
    settings = _scaling(
        metric="invocations", target=300, scale_in_cooldown_seconds=900, scale_in=False, schedule=[OFFICE]
    )
    scaling = settings.resolve(1, 4)
    assert (scaling.minimum, scaling.maximum, scaling.metric, scaling.target) == (1, 4, "invocations", 300)
    assert (scaling.scale_out_cooldown, scaling.scale_in_cooldown, scaling.scale_in) == (60, 900, False)
    (office,) = scaling.schedule
    assert (office.cron, office.time_zone, office.minimum, office.maximum) == (OFFICE["cron"], "Europe/Berlin", 2, 8)


def test_a_target_of_elsewhere_counts_where_none_is_said() -> None:
    assert _scaling().resolve(1, 2, 3.0).target == 3
    assert _scaling(target=7).resolve(1, 2, 3.0).target == 7


def test_problems_of_scaling_name_the_field_in_the_file() -> None:
    settings = _scaling(metric="backlog", schedule=[OFFICE | {"time_zone": "Berlin", "max_instances": 1}])
    found = scaling_problems("inference.endpoints.0.scaling", settings, mode="real-time", minimum=1, maximum=2)
    assert [(path, value) for path, value, _ in found] == [
        ("inference.endpoints.0.scaling.metric", "backlog"),
        ("inference.endpoints.0.scaling.schedule.0.max_instances", 1),
        ("inference.endpoints.0.scaling.schedule.0.time_zone", "Berlin"),
    ]


@pytest.mark.parametrize(
    ("disposable", "fields", "strategy", "wait"),
    [
        (False, {}, "canary", 300),
        (True, {}, "all-at-once", 60),
        (True, {"strategy": "canary"}, "canary", 300),
        (False, {"strategy": "linear", "wait_seconds": 0}, "linear", 0),
    ],
)
def test_an_update_is_as_the_environment_has_it_unless_the_settings_say_otherwise(
    disposable: bool, fields: dict[str, Any], strategy: str, wait: int
) -> None:
    safety = UpdateSettings.model_validate(fields).resolve("real-time", disposable=disposable)
    assert (safety.strategy, safety.wait) == (strategy, wait)


def test_an_update_without_any_guardrail() -> None:
    settings = UpdateSettings.model_validate({"strategy": "all-at-once", "rollback_alarms": []})
    assert not settings.resolve("real-time", disposable=False).is_guarded


def test_problems_of_updates_name_the_field_in_the_file() -> None:
    settings = UpdateSettings.model_validate({"strategy": "linear", "size_percent": 5})
    ((path, value, problem),) = update_problems("update", settings, mode="real-time", disposable=False)
    assert (path, value) == ("update.size_percent", 5)
    assert "10 to 50 with linear" in problem


def test_an_example_in_the_settings() -> None:
    assert ExampleSettings(body='{"inputs": "x"}').resolve() == (b'{"inputs": "x"}', "application/json")


def test_an_example_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")
    fields = {"content_type": "image/png", "file": "cat.png"}
    example = ExampleSettings.model_validate(fields, context={FOLDER: str(tmp_path)})
    assert example.resolve() == (b"\x89PNG", "image/png")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "must have one of body and file"),
        ({"body": "{}", "file": "cat.png"}, "must have one of body and file"),
        ({"body": "inputs: x"}, "body must be JSON"),
        ({"file": "dog.png"}, "must be a file"),
        ({"file": "large.png"}, "at most 100000 bytes, and has 100001"),
        ({"body": "x", "content_type": "json"}, "String should match pattern"),
    ],
)
def test_an_example_that_cannot_be_is_told(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG")
    (tmp_path / "large.png").write_bytes(b"0" * 100_001)
    with pytest.raises(ValidationError, match=words):
        ExampleSettings.model_validate(fields, context={FOLDER: str(tmp_path)})
