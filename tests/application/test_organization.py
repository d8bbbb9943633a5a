"""The organisation's stage: one service control policy per account."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from hf_sagemaker.guardrails import PolicyTooLongError
from stacks.organization import Organization
from stacks.organization_settings import OrganizationSettings
from stacks.settings import EnvironmentSettings

ROOT = Path(__file__).parents[2]


def _environment(**changes: Any) -> EnvironmentSettings:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    (job,) = content["training"]["job_types"]
    job |= changes.pop("job", {})
    return EnvironmentSettings(**(content | changes))


def _policies(**environments: EnvironmentSettings) -> dict[str, dict[str, Any]]:
    """Account → statements by Sid."""
    app = App(context=json.loads((ROOT / "cdk.json").read_text())["context"], builtin_cloud_formation_validation=False)
    stage = Organization(app, OrganizationSettings(account="111122223333"), environments)
    (stack,) = Stage.synth(stage).stacks
    return {
        resource["Properties"]["TargetIds"][0]: {s["Sid"]: s for s in resource["Properties"]["Content"]["Statement"]}
        for resource in stack.template["Resources"].values()
        if resource["Type"] == "AWS::Organizations::Policy"
    }


def test_each_account_has_one_policy() -> None:
    policies = _policies(dev=_environment(), prod=_environment(account="210987654321"))
    assert set(policies) == {"123456789012", "210987654321"}


def test_environments_of_one_account_are_allowed_what_any_of_them_is() -> None:
    # Given two environments in one account, with other instance types, one of them without isolation
    first = _environment()
    second = _environment(isolation=False, job={"allowed_instance_types": ["ml.g6.xlarge"]})
    (policy,) = _policies(dev=first, test=second).values()
    # Then neither is kept from its own
    (types,) = policy["OtherInstanceTypes"]["Condition"].values()
    assert {"ml.g5.xlarge", "ml.g6.xlarge"} <= set(types["sagemaker:InstanceTypes"])
    assert "NotIsolated" not in policy
    deployers = policy["BoundaryOff"]["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert {d.rsplit("/", 1)[1].split("-")[0] for d in deployers} == {"cdk", "dev", "test"}


def test_a_policy_that_is_too_long_is_refused_with_what_to_do() -> None:
    types = [f"ml.g5.{size}xlarge" for size in ("", 2, 4, 8, 12, 16, 24, 48)]
    types += [f"ml.c5.{size}xlarge" for size in ("", 2, 4, 9, 18)] + [f"ml.m5.{size}xlarge" for size in ("", 2, 4, 12)]
    many = {f"env{i}": _environment(job={"allowed_instance_types": types}) for i in range(14)}
    with pytest.raises(PolicyTooLongError, match="give them accounts of their own"):
        _policies(**many)
