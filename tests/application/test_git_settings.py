"""Git in the settings: what is refused, and what an environment gets that asks for it."""

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
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:git-AbCdEf"
ALLOWED = ["https://github.com/team/*"]


def _load(folder: Path, git: dict[str, Any] | None, **others: Any) -> EnvironmentSettings:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    if git:
        content["training"]["git"] = git
    (folder / "dev.yaml").write_text(yaml.safe_dump(content | others))
    return load_environments(folder)["dev"]


@pytest.mark.parametrize(
    ("git", "words"),
    [
        ({"allowed_repositories": []}, "training.git.allowed_repositories"),
        ({"allowed_repositories": ["https://*/team/code"]}, "training.git.allowed_repositories.0"),
        ({"allowed_repositories": ["https://me:word@github.com/*"]}, "training.git.allowed_repositories.0"),
        ({"allowed_repositories": ["git@github.com:team/*"]}, "training.git.allowed_repositories.0"),
        ({"allowed_repositories": ["http://git.intern/*"], "token_secret_arn": SECRET}, "must begin with https://"),
        ({"allowed_repositories": ALLOWED, "token_secret_arn": SECRET.replace("aws:", "aws-cn:")}, "arn:aws:"),
    ],
)
def test_what_git_settings_may_not_say(tmp_path: Path, git: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, git)
    assert words in "\n".join(caught.value.problems)


def _stacks(settings: EnvironmentSettings) -> dict[str, dict[str, Any]]:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    return {stack.stack_name: stack.template for stack in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}


def _of_type(template: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [resource for resource in template["Resources"].values() if resource["Type"] == name]


def _machine(template: dict[str, Any]) -> str:
    (machine,) = _of_type(template, "AWS::StepFunctions::StateMachine")
    return json.dumps(machine)


def test_an_environment_that_names_repositories_gets_a_build_and_a_role_for_it(tmp_path: Path) -> None:
    # Given settings with a private organisation's repositories, and a network that only mirrors may leave
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    network = {**content["network"], "egress": "mirror-only"}
    stacks = _stacks(_load(tmp_path, {"allowed_repositories": ALLOWED, "token_secret_arn": SECRET}, network=network))
    # Then a build is there that leaves by the mirror's way, and the state machine knows what may be asked for
    (project,) = _of_type(stacks["dev-Training"], "AWS::CodeBuild::Project")
    assert "VpcConfig" in project["Properties"]
    machine = _machine(stacks["dev-Training"])
    assert "https://github.com/team/*" in machine
    assert "codebuild:startBuild.sync" in machine


def test_an_environment_that_names_none_has_nothing_of_it(tmp_path: Path) -> None:
    stacks = _stacks(_load(tmp_path, None))
    assert not _of_type(stacks["dev-Training"], "AWS::CodeBuild::Project")
    assert "codebuild" not in _machine(stacks["dev-Training"])
    assert not [name for name in stacks["dev-Data"]["Resources"] if "Fetching" in name]
