"""The published schema, and the validator that a function without third-party code has for it."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from validate_training_request.fields import FIELDS
from validate_training_request.schema import SCHEMA, violations

ROOT = Path(__file__).parents[2]
WHOLE: dict[str, Any] = {
    "schema_version": "1",
    "job_type": "text-classification",
    "name": "sentiment",
    "image": "training",
    "source_dir": "s3://models/sources/1/sourcedir.tar.gz",
    "git_config": {"repo": "https://github.com/team/code.git", "branch": "main", "commit": "0" * 40},
    "entry_point": "scripts/train.py",
    "hyperparameters": {"epochs": 3, "learning_rate": 5e-5, "fp16": True, "note": "a b"},
    "channels": {
        "train": "s3://data/train/",
        "test": {
            "s3_data": "s3://data/list.json",
            "s3_data_type": "AugmentedManifestFile",
            "distribution": "ShardedByS3Key",
            "input_mode": "Pipe",
            "content_type": "application/jsonlines",
            "record_wrapping": "RecordIO",
            "attribute_names": ["text", "label"],
        },
        "corpus": {
            "file_system_id": "fs-0a1b2c3d",
            "file_system_type": "FSxLustre",
            "directory_path": "/a1b2c3d4/reviews",
            "file_system_access_mode": "ro",
        },
        "cache": {"file_system": "cache"},
    },
    "input_mode": "FastFile",
    "model": "hub/team/small@" + "a" * 40,
    "instance_type": "ml.g4dn.xlarge",
    "instance_count": 2,
    "distribution": {"torch_distributed": {"enabled": True}},
    "volume_size": 100,
    "keep_alive_period_in_seconds": 600,
    "max_run": 3600,
    "use_spot_instances": True,
    "max_wait": 7200,
    "max_retry_attempts": 3,
    "checkpoint_s3_uri": "s3://checkpoints/one",
    "metric_definitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    "environment": {"LOG_LEVEL": "info"},
    "enable_network_isolation": True,
    "evaluation": {"metric": "loss", "minimum": 0.5},
    "preparation": {"channels": ["train"], "entry_point": "prepare.py", "hyperparameters": {"max_length": 64}},
    "tuning": {
        "objective_metric_name": "loss",
        "objective_type": "Minimize",
        "strategy": "Hyperband",
        "strategy_config": {"min_resource": 1, "max_resource": 9},
        "hyperparameter_ranges": {
            "learning_rate": {"type": "Continuous", "min_value": 0.1, "max_value": 0.5, "scaling_type": "Linear"},
            "optimizer": {"values": ["adamw"]},
        },
        "max_jobs": 4,
        "max_parallel_jobs": 2,
        "early_stopping_type": "Off",
        "warm_start_config": {"parents": ["dev-sentiment"], "warm_start_type": "TransferLearning"},
        "completion_criteria_config": {"target_objective_metric_value": 0.1},
        "random_seed": 7,
    },
    "tags": {"team": "language"},
}
WRONG = (None, True, 0, 1, -1, 3.0, 2.5, 10**9, "", "x", "s3://data/x\n", "../x", "a\n", [], ["x"], {}, {"x": 1})


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(value, dict | list):
        for key, member in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(member, (*place, key))


def _changed(place: tuple[Any, ...], change: Any) -> Any:
    if not place:
        return change(WHOLE)
    whole = deepcopy(WHOLE)
    around = whole
    for key in place[:-1]:
        around = around[key]
    around[place[-1]] = change(around[place[-1]])
    return whole


def _mutations() -> Iterator[Any]:
    """A request with something else at each place, with something more in each object, and without each member."""
    for place in _places(WHOLE):
        for value in WRONG:
            yield _changed(place, lambda _, value=value: value)
        yield _changed(place, lambda old: {**old, "more": "x", "a b": 1} if isinstance(old, dict) else [old, old])
        yield _changed(place, lambda old: old + "\n" if isinstance(old, str) else old)
        if place:
            yield _changed(
                place[:-1],
                lambda old, key=place[-1]: (
                    {name: each for name, each in old.items() if name != key}
                    if isinstance(old, dict)
                    else [each for i, each in enumerate(old) if i != key]
                ),
            )


def _field(error: Any) -> Any:
    """The field that an error is in; of an unknown or missing one, that there is one."""
    return error.absolute_path[0] if error.absolute_path else error.validator


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert not list(violations(WHOLE))


def test_the_example_of_the_test_has_every_field() -> None:
    assert set(WHOLE) == set(FIELDS)


def test_the_own_validator_agrees_with_the_library() -> None:
    # Given the real validator
    library = Draft202012Validator(SCHEMA)
    kinds = {"missing": "required", "unknown": "additionalProperties"}
    mutations = list(_mutations())
    assert len(mutations) > 1000
    for request in mutations:
        # Then both find fault with the same fields
        theirs = {_field(error) for error in library.iter_errors(request)}
        ours = {
            kinds[each.kind] if len(each.place) == 1 and each.kind in kinds else (*each.place, "type")[0]
            for each in violations(request)
        }
        assert ours == theirs, json.dumps(request)


def test_a_word_that_the_validator_does_not_know_is_an_error() -> None:
    with pytest.raises(KeyError, match="uniqueItems"):
        list(violations([], {"uniqueItems": True}))


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_says_what_it_is_and_what_it_must_be(name: str) -> None:
    assert FIELDS[name]["x-must"].startswith("must be")
    assert FIELDS[name]["description"].endswith(".")


def test_the_guide_has_every_field() -> None:
    guide = (ROOT / "docs/training-request.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in row.replace("`", "").replace(",", " ").split()} >= set(FIELDS)
