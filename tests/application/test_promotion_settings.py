"""Images that come from another environment: what settings may say, what is refused, and what both stages become."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from stacks.ml_environment import MlEnvironment
from stacks.promotion_settings import destinations
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
DEV, PROD = "123456789012", "210987654321"
PROMOTED: list[dict[str, Any]] = [
    {"name": "training", "promoted_from": "dev", "rebuild": {"on_findings": "high"}},
    {"name": "inference", "promoted_from": "dev"},
]
Load = Callable[..., dict[str, EnvironmentSettings]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads dev, which is kept, and prod with these images, both with changes; and `more` files."""

    def read(images: list[dict[str, Any]], dev: dict[str, Any] | None = None, **more: dict[str, Any]) -> Any:
        files = {"dev": {"disposable": False, **(dev or {})}, "prod": {"images": images}, **more}
        for name, changes in files.items():
            content = yaml.safe_load((ROOT / f"environments/{'dev' if name == 'dev' else 'prod'}.yaml").read_text())
            if name in more:
                content["network"]["cidr"] = "10.99.0.0/16"
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content | changes))
        return load_environments(tmp_path)

    return read


def _problems(load: Load, *arguments: Any, **more: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(*arguments, **more)
    return caught.value.problems


def _training(**fields: Any) -> list[dict[str, Any]]:
    return [PROMOTED[0] | fields, PROMOTED[1]]


def test_a_promoted_image_is_made_of_what_its_source_says(load: Load) -> None:
    settings = load(PROMOTED)
    prod, dev = settings["prod"].images[0], settings["dev"].images[0]
    assert (prod.base, prod.requirements) == (dev.base, dev.requirements)
    assert prod.promoted_from is not None
    assert (prod.promoted_from.environment, prod.promoted_from.account) == ("dev", DEV)
    assert prod.rebuild.on_findings == "high"


@pytest.mark.parametrize(
    ("images", "dev", "reason"),
    [
        (_training(promoted_from="test"), {}, "images.0 is"),
        (_training(promoted_from="test"), {}, "must be the name of another environment file: dev, prod"),
        (_training(promoted_from="prod"), {}, "promote in one direction only"),
        (_training(promoted_from={"environment": "dev"}), {}, "must be the name of another environment file"),
        (_training(name="other"), {}, "dev has no image of this name to promote; it has training, inference"),
        (
            _training(base={"purpose": "training", "transformers": "4.56.2"}, requirements=[]),
            {},
            "says promoted_from, and base, requirements: what a promoted image is made of stands in dev.yaml",
        ),
        (_training(rebuild={"on_new_base": False}), {}, "only dev, which builds it, can say that"),
        (PROMOTED, {"disposable": True}, "set disposable: false in dev.yaml"),
        (
            PROMOTED,
            {
                "region": "us-west-2",
                "network": {"cidr": "10.10.0.0/16", "availability_zones": ["us-west-2a", "us-west-2b"]},
            },
            "SageMaker pulls images from its own region only, and dev is in us-west-2",
        ),
        (PROMOTED, {"images": []}, "the problems of dev.yaml are to be mended first"),
    ],
)
def test_what_cannot_be_promoted_is_refused_with_what_to_do(
    load: Load, images: list[dict[str, Any]], dev: dict[str, Any], reason: str
) -> None:
    assert any("prod.yaml" in problem and reason in problem for problem in _problems(load, images, dev))


def test_what_is_promoted_is_not_promoted_on(load: Load) -> None:
    problems = _problems(load, PROMOTED, last={"images": _training(promoted_from="prod")})
    assert any("last.yaml: images.0" in p and "say promoted_from: dev" in p for p in problems)


def test_one_environment_alone_cannot_promote() -> None:
    content = yaml.safe_load((ROOT / "environments/prod.yaml").read_text()) | {"images": PROMOTED}
    with pytest.raises(ValueError, match="read without those of dev"):
        EnvironmentSettings(**content)


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Stack name → resources of dev, and of prod, which promotes everything."""
    folder = tmp_path_factory.mktemp("environments")
    for name, changes in (("dev", {"disposable": False}), ("prod", {"images": PROMOTED})):
        content = yaml.safe_load((ROOT / f"environments/{name}.yaml").read_text()) | changes
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    environments = load_environments(folder)
    app = App(context=json.loads((ROOT / "cdk.json").read_text())["context"], builtin_cloud_formation_validation=False)
    stages = [MlEnvironment(app, n, s, destinations(n, environments)) for n, s in environments.items()]
    return {stack.stack_name: stack.template["Resources"] for stage in stages for stack in Stage.synth(stage).stacks}


def _of_type(resources: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [body["Properties"] for body in resources.values() if body["Type"] == kind]


def test_nothing_is_built_where_everything_is_promoted(stacks: dict[str, dict[str, Any]]) -> None:
    kinds = {body["Type"] for body in stacks["prod-Images"].values()}
    assert not kinds & {"AWS::ECR::Repository", "AWS::CodeBuild::Project", "AWS::Events::Rule", "AWS::SNS::Topic"}


def test_a_repository_admits_the_roles_of_the_environments_that_promote_and_nobody_else(
    stacks: dict[str, dict[str, Any]],
) -> None:
    for repository in _of_type(stacks["dev-Images"], "AWS::ECR::Repository"):
        (statement,) = repository["RepositoryPolicyText"]["Statement"]
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{PROD}:root"}
        assert f"arn:aws:iam::{PROD}:role/prod-*" in statement["Condition"]["ArnLike"]["aws:PrincipalArn"]
        assert not [a for a in statement["Action"] if not a.startswith(("ecr:Batch", "ecr:Describe", "ecr:Get"))]


def test_no_image_that_may_have_been_promoted_expires(stacks: dict[str, dict[str, Any]]) -> None:
    for repository in _of_type(stacks["dev-Images"], "AWS::ECR::Repository"):
        rules = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged"]


def test_jobs_and_endpoints_pull_from_the_source_only(stacks: dict[str, dict[str, Any]]) -> None:
    pulled = {
        resource
        for policy in _of_type(stacks["prod-Data"], "AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if "ecr:BatchGetImage" in statement["Action"]
        for resource in ([statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"])
    }
    assert pulled == {
        f"arn:aws:ecr:us-east-1:{DEV}:repository/hf-sagemaker/dev/{name}" for name in ("training", "inference")
    }


def test_a_run_goes_on_only_with_a_digest_of_the_source(stacks: dict[str, dict[str, Any]]) -> None:
    (machine,) = _of_type(stacks["prod-Training"], "AWS::StepFunctions::StateMachine")
    text = json.dumps(machine["DefinitionString"])
    for name in ("training", "inference"):
        assert f"/hf-sagemaker/dev/{name}@sha256:*" in text
    assert "has not been promoted yet: run hfsm images promote" in text


def test_an_image_that_was_built_can_be_promoted_from_now_on(stacks: dict[str, dict[str, Any]]) -> None:
    # CloudFormation makes no second parameter of the same name: it must be the same resource before and after
    built, promoted = (
        [
            (name, body["Properties"]["Value"])
            for name, body in stacks[f"{environment}-Images"].items()
            if body["Properties"].get("Name") == f"/hf-sagemaker/{environment}/images/training/digest"
        ]
        for environment in ("dev", "prod")
    )
    assert built == promoted != []


def test_only_the_function_writes_what_runs(stacks: dict[str, dict[str, Any]]) -> None:
    # Given everything in prod that may change a parameter
    writers = {
        f"{stack}/{name}": json.dumps(statement["Resource"])
        for stack, resources in stacks.items()
        if stack.startswith("prod-") and not stack.endswith("Guardrails")
        for name, body in resources.items()
        if body["Type"] == "AWS::IAM::ManagedPolicy"
        for statement in body["Properties"]["PolicyDocument"]["Statement"]
        if "ssm:PutParameter" in statement["Action"]
    }
    # Then people write their requests, and the function the rest
    assert len(writers) == 2
    for policy, resources in writers.items():
        is_function = "PromoterPolicy" in policy
        assert ("ImageBuildDigest" in resources, "ImageRequest" in resources) == (is_function, not is_function)
