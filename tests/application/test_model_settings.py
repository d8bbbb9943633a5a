"""The models of endpoints: what settings may say, what is refused, and what they make."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.prepared_models import PREPARED_TYPE
from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments
from tests.application.replacements import of_types, replaced

ROOT = Path(__file__).parents[2]
COMMIT = "a" * 40
HUB = {"hub": f"team/tiny@{COMMIT}", "task": "text-classification"}
ARCHIVE = {"s3": "trained/1/output/model.tar.gz", "task": "text-classification"}
FOREIGN = {"s3": "s3://the-teams-corpus/models/tiny/", "task": "text-classification"}
PACKAGE = {"model_package": "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/3"}
BUCKET = {"name": "the-teams-corpus", "key_arn": "arn:aws:kms:us-east-1:555555555555:key/x"}
Stacks = dict[str, dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of environments, with inference code in `code`."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/inference.py").write_text("def model_fn(model_dir): ...\n")
    return tmp_path


def _load(folder: Path, *models: dict[str, Any], **others: Any) -> EnvironmentSettings:
    """dev with an endpoint for each model."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    (endpoint,) = content["inference"]["endpoints"]
    content["inference"]["endpoints"] = [
        {**endpoint, "name": f"endpoint-{i}", "model": model} for i, model in enumerate(models)
    ]
    content["hub"] = {"models": [{"id": "team/tiny", "revision": "main"}]}
    content["data"] = {"read_only_buckets": [BUCKET]}
    (folder / "dev.yaml").write_text(yaml.safe_dump(content | others))
    return load_environments(folder)["dev"]


def _problems(folder: Path, *models: dict[str, Any], **others: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(folder, *models, **others)
    return caught.value.problems


def _synthesise(settings: EnvironmentSettings) -> Stacks:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    return {stack.stack_name: stack.template for stack in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}


@pytest.mark.parametrize(
    ("model", "field", "words"),
    [
        ({"task": "fill-mask"}, "model", "must name exactly one of model_package, approved, hub and s3"),
        (HUB | ARCHIVE, "model", "must name exactly one of"),
        (HUB | {"hub": f"team/other@{COMMIT}"}, "model.hub", f"add {{id: team/other, revision: {COMMIT}}}"),
        (HUB | {"hub": "team/tiny@main"}, "model.hub", "must be text matching"),
        ({"hub": HUB["hub"]}, "model.task", "must be the pipeline task"),
        (FOREIGN | {"s3": "s3://another-bucket/models/"}, "model.s3", "must lie in a bucket of data.read_only_buckets"),
        (ARCHIVE | {"s3": "trained/1/model.bin"}, "model.s3", "must be text matching"),
        (PACKAGE | {"code": "code"}, "model.code", "`hfsm package`"),
        (PACKAGE | {"task": "fill-mask"}, "model.task", "the registered model names it"),
        (HUB | {"code": "."}, "model.code", "must be a folder of its own"),
        (HUB | {"code": "nowhere"}, "model.code", "nowhere is no folder"),
    ],
)
def test_a_wrong_model_is_refused_with_what_to_do(folder: Path, model: dict[str, Any], field: str, words: str) -> None:
    (problem,) = _problems(folder, model)
    assert f"inference.endpoints.0.{field}" in problem
    assert words in problem


def test_names_that_would_be_one_stack_are_refused(folder: Path) -> None:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    (endpoint,) = content["inference"]["endpoints"]
    names = ("text-2", "text2", "text-2")
    problems = _problems(folder, inference={"endpoints": [{**endpoint, "name": name} for name in names]})
    assert ["more than hyphens" in problems[0], "no earlier entry" in problems[1]] == [True, True]


def test_everything_wrong_with_models_is_told_at_once(folder: Path) -> None:
    problems = _problems(folder, {"hub": f"team/other@{COMMIT}"}, FOREIGN | {"s3": "s3://x-bucket/y/"}, PACKAGE | HUB)
    assert len(problems) == 5  # the first lacks its task too, the third names two sources and a task


def test_a_commit_that_the_mirror_brings_is_taken(folder: Path) -> None:
    assert _load(folder, HUB, hub={"models": [{"id": "team/tiny", "revision": COMMIT}]})
    (problem,) = _problems(folder, HUB, hub={"models": [{"id": "team/tiny", "revision": "b" * 40}]})
    assert "must be a model of hub.models" in problem


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("inference.py", "def model_fn(:", "not Python"),
        ("inference.py", "x = 1", "defines none of model_fn"),
        ("requirements.txt", "einops==0.8.1\n", "has to be in the image (`requirements` of the image)"),
        ("requirements.txt", "einops\n", "every package needs its version"),
    ],
)
def test_code_that_would_fail_in_the_container_is_refused(folder: Path, file: str, content: str, words: str) -> None:
    (folder / "code" / file).write_text(content)
    (problem,) = _problems(folder, HUB | {"code": "code"})
    assert "model.code" in problem
    assert words in problem


def test_requirements_are_taken_where_the_container_can_install_them(folder: Path) -> None:
    (folder / "code/requirements.txt").write_text("einops==0.8.1\n")
    network = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())["network"] | {"egress": "nat"}
    assert _load(folder, HUB | {"code": "code"}, isolation=False, network=network)


def test_a_registered_model_needs_none_of_this(templates: Stacks) -> None:
    # Given dev, which serves a registered model
    stacks = [templates["dev-Inference"], templates["dev-EndpointSentiment"]]
    resources = [each for stack in stacks for each in stack["Resources"].values()]
    # Then nothing prepares it, there is no role for that, and no parameter of an image
    assert not [each for each in resources if each["Type"] == PREPARED_TYPE]
    assert not [each for each in resources if "package_model" in str(each["Properties"].get("Handler"))]
    assert "Packaging" not in json.dumps(templates["dev-Data"])
    assert [list(stack["Parameters"]) for stack in stacks] == [["BootstrapVersion"]] * 2


@pytest.fixture
def stacks(folder: Path) -> Stacks:
    """dev with an endpoint from each source, in their order."""
    return _synthesise(_load(folder, HUB | {"code": "code"}, ARCHIVE, FOREIGN))


def _of_type(stack: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in stack["Resources"].values() if each["Type"] == kind]


def test_each_source_is_what_sagemaker_wants(stacks: Stacks) -> None:
    containers = [model["PrimaryContainer"] for model in _of_all(stacks, "AWS::SageMaker::Model")]
    data = [container["ModelDataSource"]["S3DataSource"] for container in containers]
    kinds = [(each["S3DataType"], each["CompressionType"]) for each in data]
    assert kinds == [("S3Prefix", "None"), ("S3Object", "Gzip"), ("S3Prefix", "None")]
    for number, container in enumerate(containers):
        assert container["Environment"] == {
            "HF_TASK": "text-classification",
            "HF_HUB_OFFLINE": "1",
            "HFSM_ENDPOINT_NAME": f"dev-endpoint-{number}",
        }


def test_a_deployment_reads_which_image_was_built_last(stacks: Stacks) -> None:
    # CloudFormation reads such a parameter with every update, and {{resolve:ssm:…}} with a changed template only
    parameters = stacks["dev-EndpointEndpoint0"]["Parameters"]
    (parameter,) = [each for name, each in parameters.items() if name != "BootstrapVersion"]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<String>"
    assert parameter["Default"] == "/hf-sagemaker/dev/images/inference/digest"
    assert "resolve:ssm" not in json.dumps(stacks)


def test_a_model_outside_is_read_by_its_place_only(stacks: Stacks) -> None:
    statements = [
        statement
        for policy in _of_type(stacks["dev-Inference"], "AWS::IAM::ManagedPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if "the-teams-corpus" in json.dumps(statement["Resource"])
    ]
    read = {
        r for s in statements if "s3:GetObject" in s["Action"] for r in _listed(s["Resource"]) if isinstance(r, str)
    }
    assert {each for each in read if "corpus" in each} == {"arn:aws:s3:::the-teams-corpus/models/tiny/*"}
    listed = [s["Condition"] for s in statements if s["Action"] == "s3:ListBucket"]
    assert listed == [{"StringLike": {"s3:prefix": ["models/tiny/*"]}}] * 2  # the function and the endpoint


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_changed_code_changes_what_is_prepared_and_nothing_stateful(folder: Path, stacks: Stacks) -> None:
    (folder / "code/inference.py").write_text("def model_fn(folder): ...\n")
    after = _synthesise(_load(folder, HUB | {"code": "code"}, ARCHIVE, FOREIGN))
    changed = {
        resource["Type"]
        for name, resource in stacks["dev-EndpointEndpoint0"]["Resources"].items()
        if after["dev-EndpointEndpoint0"]["Resources"][name] != resource
    }
    assert changed == {"Custom::HuggingFaceModel"}
    assert [name for name in stacks if after[name] != stacks[name]] == ["dev-EndpointEndpoint0"]
    before = Templates("dev", account="123456789012", region="us-east-1", stacks=stacks)
    later = Templates("dev", account="123456789012", region="us-east-1", stacks=copy.deepcopy(after))
    assert of_types(replaced(before, later), before, "AWS::SageMaker::Endpoint", "AWS::S3::Bucket") == {}


def test_another_source_replaces_no_endpoint(folder: Path) -> None:
    before, after = (
        Templates("dev", account="123456789012", region="us-east-1", stacks=_synthesise(_load(folder, model)))
        for model in (PACKAGE, HUB)
    )
    assert of_types(replaced(before, after), before, "AWS::SageMaker::Endpoint") == {}


# --- endpoints that follow a job type -------------------------------------------------------------------------------


def _of_all(stacks: Stacks, kind: str) -> list[dict[str, Any]]:
    """Properties of this kind of resource in the stacks of endpoints, in their order."""
    names = sorted(name for name in stacks if name.startswith("dev-Endpoint"))
    return [each for name in names for each in _of_type(stacks[name], kind)]


def _resources_of(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in template["Resources"].values() if each["Type"] == kind]


def test_an_endpoint_may_follow_a_job_type_of_the_environment_only(folder: Path) -> None:
    (problem,) = _problems(folder, {"approved": "speech"})
    assert "must be a job type of training.job_types: text-classification" in problem
    problems = _problems(folder, {"approved": "text-classification", "task": "text-classification"} | PACKAGE)
    assert any("exactly one of model_package, approved, hub and s3" in each for each in problems)
    assert any("must be left out with model_package and approved" in each for each in problems)


def test_an_endpoint_that_follows_is_there_only_with_an_approved_model_and_serves_its_own_group(folder: Path) -> None:
    stacks = _synthesise(_load(folder, {"approved": "text-classification"}))
    template = stacks["dev-EndpointEndpoint0"]
    (name,) = [each for each in template["Parameters"] if each.startswith("TextClassificationApproved")]
    # Then the number of the version is read by the deployment, and nothing else of what is served
    assert template["Parameters"][name]["Type"] == "AWS::SSM::Parameter::Value<String>"
    (model,) = _resources_of(template, "AWS::SageMaker::Model")
    group = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/"
    package = model["Properties"]["PrimaryContainer"]["ModelPackageName"]
    assert package == {"Fn::Join": ["", [group, {"Ref": name}]]}
    # And without one there is neither endpoint nor what belongs to it
    ((condition, expression),) = template["Conditions"].items()
    assert expression == {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, "none"]}]}
    conditional = {each["Type"] for each in template["Resources"].values() if each.get("Condition") == condition}
    assert conditional == {
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::SageMaker::Endpoint",
        "AWS::SageMaker::EndpointConfig",
        "AWS::SageMaker::Model",
        "Custom::EndpointPresence",
        "Custom::EndpointScaling",
        "Custom::EndpointScalingPause",
        "Custom::SmokeRequest",
    }
    # And the parameter is there before that stack, and another one says that the stack follows
    assert "/hf-sagemaker/dev/models/text-classification/approved" in json.dumps(stacks["dev-Training"])
    said = {each["Name"]: each["Value"] for each in _of_type(template, "AWS::SSM::Parameter")}
    path = "/hf-sagemaker/dev/models/text-classification/endpoints"
    assert said[f"{path}/endpoint-0"] == "dev-EndpointEndpoint0"
    # And what deploys approved models looks there, and may change those types and no others
    (rule,) = [
        each
        for each in _resources_of(stacks["dev-Inference"], "AWS::Events::Rule")
        if "ModelPackageGroupName" in json.dumps(each)
    ]
    target = json.dumps(rule["Properties"]["Targets"])
    assert all(each in target for each in [*conditional, path])


def test_a_further_endpoint_that_follows_changes_no_other_stack(folder: Path) -> None:
    follows = {"approved": "text-classification"}
    one, two = _synthesise(_load(folder, follows)), _synthesise(_load(folder, follows, follows))
    assert {name for name in two if two[name] != one.get(name)} == {"dev-EndpointEndpoint1"}


def test_an_endpoint_that_names_a_version_needs_nobody_who_deploys(folder: Path) -> None:
    stacks = _synthesise(_load(folder, PACKAGE))
    assert "ModelPackageGroupName" not in json.dumps(_resources_of(stacks["dev-Inference"], "AWS::Events::Rule"))
    assert "/approved" not in json.dumps(stacks["dev-Training"])
    # And no role of the environment may update a stack
    policies = [each for stack in stacks.values() for each in _resources_of(stack, "AWS::IAM::ManagedPolicy")]
    assert "cloudformation:UpdateStack" not in json.dumps(policies)
