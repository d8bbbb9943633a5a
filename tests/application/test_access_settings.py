"""Settings of roles, keys, buckets and the Hub's token: what cannot be is refused, in one paragraph each."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.settings_files import SettingsError, load_environments, load_organization

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "a1B2" * 9


def _load(folder: Path, name: str = "dev", **changes: Any) -> None:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text()) | changes
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    load_environments(folder)


def _refusal(folder: Path, **changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        _load(folder, **changes)
    (problem,) = caught.value.problems
    return problem


def test_everything_that_a_team_may_own_is_accepted(tmp_path: Path) -> None:
    key = "arn:aws:kms:us-east-1:999999999999:key/1234"
    _load(
        tmp_path,
        keys=dict.fromkeys(("data", "models", "images", "logs", "operations"), key),
        data={
            "object_lock_days": 30,
            "read_only_buckets": [{"name": "team-lake", "key_arn": key}, {"name": "open.data"}],
            "replication": {"bucket": "copies", "account": "999999999999", "key_arn": key},
        },
        roles={"path": "/ml/", "permissions_boundary": "arn:aws:iam::123456789012:policy/limits"},
        hub={
            "token_secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf",
            "token_key_arn": key,
            "models": [
                {"id": "google-bert/bert-base-uncased", "revision": "0" * 40, "allow_remote_code": ["0" * 40]},
                {"id": "google-bert/bert-base-uncased", "revision": "refs/pr/3", "allow_pickle": True},
            ],
        },
    )


@pytest.mark.parametrize(
    "name", ["Team", "a", "team_lake", "team..lake", "192.168.0.1", "-lake", "xn--lake", "lake-s3alias", "x" * 64]
)
def test_a_bucket_name_that_cannot_be(tmp_path: Path, name: str) -> None:
    problem = _refusal(tmp_path, data={"read_only_buckets": [{"name": name}]})
    assert "dev.yaml: data.read_only_buckets.0.name" in problem
    assert "3 to 63 lower-case letters" in problem


def test_a_boundary_of_another_partition(tmp_path: Path) -> None:
    problem = _refusal(tmp_path, roles={"permissions_boundary": "arn:aws-cn:iam::123456789012:policy/limits"})
    assert "roles.permissions_boundary" in problem
    assert "must be an ARN of the partition of us-east-1: arn:aws:" in problem


def test_a_key_of_another_region(tmp_path: Path) -> None:
    problem = _refusal(tmp_path, keys={"data": "arn:aws:kms:eu-west-1:123456789012:key/1"})
    assert "keys.data" in problem
    assert "must be a key of us-east-1" in problem


def test_people_of_another_account(tmp_path: Path) -> None:
    problem = _refusal(tmp_path, roles={"data_scientists": ["arn:aws:iam::999999999999:role/Guest"]})
    assert "roles.data_scientists.0" in problem
    assert "123456789012" in problem


@pytest.mark.parametrize("everybody", ["arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:user/*/*"])
def test_a_pattern_that_admits_everybody(tmp_path: Path, everybody: str) -> None:
    assert "admits everybody in the account" in _refusal(tmp_path, roles={"platform_operators": [everybody]})


def test_a_token_in_a_settings_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    problem = _refusal(tmp_path, hub={"token_secret_arn": TOKEN})
    assert "looks like an access token" in problem
    assert "Secrets Manager" in problem
    assert TOKEN not in problem


def test_one_account_has_one_role_for_notebooks(tmp_path: Path) -> None:
    # Given an environment that has it
    _load(tmp_path, roles={"sagemaker_execution_role": True})
    # When another one of the same account asks for it too
    network = {"cidr": "10.99.0.0/16", "availability_zones": ["us-east-1a", "us-east-1b"]}
    problem = _refusal(tmp_path, name="test", network=network, roles={"sagemaker_execution_role": True})
    # Then it is told which has it
    assert "test.yaml: roles.sagemaker_execution_role" in problem
    assert "dev has a role of that name" in problem


def test_the_organisation_is_optional(tmp_path: Path) -> None:
    assert load_organization(tmp_path) is None
    assert load_organization(ROOT / "environments") is not None


def test_a_wrong_organisation_is_told_like_a_wrong_environment(tmp_path: Path) -> None:
    (tmp_path / "organization.yaml").write_text("acount: '1'\n")
    with pytest.raises(SettingsError) as caught:
        load_organization(tmp_path)
    text = str(caught.value)
    assert "organization.yaml: account is null: this field is required" in text
    assert "acount" in text
    assert "Did you mean account?" in text


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ({"id": "bert-base-uncased", "revision": "main"}, "hub.models.0.id"),
        ({"id": "../other", "revision": "main"}, "hub.models.0.id"),
        ({"id": "team/a--b", "revision": "main"}, "hub.models.0.id"),
        ({"id": "team/small"}, "hub.models.0.revision"),
        ({"id": "team/small", "revision": "../../other"}, "hub.models.0.revision"),
        ({"id": "team/small", "revision": "a/../b"}, "hub.models.0.revision"),
        ({"id": "team/small", "revision": "main", "allow_remote_code": ["main"]}, "hub.models.0.allow_remote_code.0"),
        ({"id": "team/small", "revision": "main", "allow_remote_code": True}, "hub.models.0.allow_remote_code"),
    ],
)
def test_a_model_of_the_hub_that_cannot_be(tmp_path: Path, model: dict[str, Any], path: str) -> None:
    assert f"dev.yaml: {path} is" in _refusal(tmp_path, hub={"models": [model]})


def test_a_model_of_the_hub_twice(tmp_path: Path) -> None:
    model = {"id": "team/small", "revision": "main"}
    problem = _refusal(tmp_path, hub={"models": [model, model | {"allow_pickle": True}]})
    assert 'hub.models.1 is "team/small@main": must be a model and revision that no earlier entry has' in problem


def test_the_key_of_the_hubs_token_is_of_this_partition(tmp_path: Path) -> None:
    problem = _refusal(tmp_path, hub={"token_key_arn": "arn:aws-cn:kms:cn-north-1:123456789012:key/1"})
    assert "hub.token_key_arn" in problem
