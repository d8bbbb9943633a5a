"""File systems in the settings: what is refused, and what the templates make of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
EFS = {"name": "corpora", "type": "EFS", "id": "fs-0a1b2c3d", "security_group_id": "sg-0a1b2c3d"}
LUSTRE = {
    "name": "cache",
    "type": "FSxLustre",
    "id": "fs-0123456789abcdef0",
    "directory_path": "/a1b2c3d4/runs",
    "access_mode": "rw",
    "cidrs": ["10.10.1.17/32"],
}
TEAM = {
    "vpc_id": "vpc-0a1b2c3d",
    "subnet_ids": ["subnet-0a1b2c3d", "subnet-0a1b2c3e"],
    "route_table_ids": ["rtb-0a1b2c3d"],
    "job_security_group_ids": ["sg-0a1b2c3e"],
}


def _load(folder: Path, *file_systems: dict[str, Any], vpc: dict[str, Any] | None = None) -> EnvironmentSettings:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["data"] = {"file_systems": list(file_systems)}
    if vpc:
        content["network"] = {"availability_zones": content["network"]["availability_zones"], "vpc": vpc}
    (folder / "dev.yaml").write_text(yaml.safe_dump(content))
    return load_environments(folder)["dev"]


def _without(content: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in fields}


@pytest.mark.parametrize(
    ("file_system", "words"),
    [
        (EFS | {"type": "FSxOntap"}, "must be 'EFS' or 'FSxLustre'"),
        (EFS | {"id": "corpora"}, "data.file_systems.0.id"),
        (EFS | {"directory_path": "shared"}, "must be an absolute path"),
        (EFS | {"directory_path": "/a/../b"}, "without . and .. as folders"),
        (EFS | {"directory_path": "/a//b"}, "must be an absolute path"),
        (_without(LUSTRE, "directory_path"), "must begin with the mount name"),
        (LUSTRE | {"directory_path": "/much-too-long"}, "must begin with the mount name"),
        (EFS | {"cidrs": ["10.0.0.0/8"], "security_group_id": None}, "of /24 or smaller"),
        (EFS | {"cidrs": ["8.8.8.8/32"], "security_group_id": None}, "must be private IPv4 ranges"),
        (EFS | {"cidrs": ["10.0.0.1/24"], "security_group_id": None}, "has host bits set"),
        (_without(EFS, "security_group_id"), "must be the security group of the file system"),
        (EFS | {"cidrs": ["10.0.0.0/28"]}, "and not both"),
    ],
)
def test_what_the_settings_of_a_file_system_may_not_say(tmp_path: Path, file_system: Any, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, file_system)
    assert words in "\n".join(caught.value.problems)


def test_everything_between_file_systems_is_told_at_once(tmp_path: Path) -> None:
    # Given two of the same name and id, of which the second has no way to it
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, EFS, _without(EFS, "security_group_id"))
    told = "\n".join(caught.value.problems)
    for field in ("name", "id", "security_group_id"):
        assert f"data.file_systems.1.{field}" in told


def test_in_the_teams_own_groups_no_way_can_be_opened(tmp_path: Path) -> None:
    assert _load(tmp_path, _without(EFS, "security_group_id"), vpc=TEAM).data.file_systems
    with pytest.raises(SettingsError, match="job_security_group_ids"):
        _load(tmp_path, EFS, vpc=TEAM)


def _stacks(settings: EnvironmentSettings) -> dict[str, dict[str, Any]]:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    return {s.stack_name: s.template for s in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}


def _rules(resources: dict[str, Any], kind: str) -> set[tuple[str, str, int, int]]:
    """(the group, whom it concerns, first and last port) of every rule of the kind that concerns a file system."""
    found = set()
    for name, resource in resources.items():
        made = resource["Properties"]
        if resource["Type"] == f"AWS::EC2::SecurityGroup{kind}":
            rules = [(made["GroupId"]["Fn::GetAtt"][0], made)]
        elif resource["Type"] == "AWS::EC2::SecurityGroup":
            rules = [(name, rule) for rule in made.get(f"SecurityGroup{kind}", [])]
        else:
            continue
        for group, rule in rules:
            if rule.get("Description", "").startswith("File system"):
                assert rule["IpProtocol"] == "tcp"
                peer = rule.get("DestinationSecurityGroupId") or rule.get("SourceSecurityGroupId") or rule["CidrIp"]
                found.add((group, peer, rule["FromPort"], rule["ToPort"]))
    return found


def test_jobs_reach_each_file_system_on_its_own_ports_and_nothing_else_does(tmp_path: Path) -> None:
    # Given an EFS by its security group, and an FSx for Lustre by its address
    settings = _load(tmp_path, EFS, LUSTRE)
    stacks = _stacks(settings)
    resources = stacks["dev-Network"]["Resources"]
    (jobs,) = [
        name
        for name, each in resources.items()
        if each["Type"] == "AWS::EC2::SecurityGroup" and each["Properties"]["GroupDescription"] == "Training jobs"
    ]
    lustre = {(jobs, "10.10.1.17/32", 988, 988), (jobs, "10.10.1.17/32", 1018, 1023)}
    # Then the jobs' group leads there, on their ports; and only Lustre's servers open connections themselves
    assert _rules(resources, "Egress") == {(jobs, "sg-0a1b2c3d", 2049, 2049), *lustre}
    assert _rules(resources, "Ingress") == lustre
    # And the workflow's first state knows which there are, and how far a request may go
    definition = json.dumps(stacks["dev-Training"])
    for word in ("fs-0a1b2c3d", "fs-0123456789abcdef0", "/a1b2c3d4/runs"):
        assert word in definition


def test_an_environment_without_file_systems_opens_no_way(tmp_path: Path) -> None:
    resources = _stacks(_load(tmp_path))["dev-Network"]["Resources"]
    assert _rules(resources, "Egress") == _rules(resources, "Ingress") == set()
