"""Bases of images in settings files: each kind, what is refused of it, and what is built of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from stacks.container_settings import container_environment
from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
OWN = "444455556666.dkr.ecr.us-east-1.amazonaws.com/team/base"
DIGEST = "sha256:" + "0a" * 32
Load = Callable[..., EnvironmentSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads dev with one image more than it has, on that base."""

    def read(base: dict[str, Any], **fields: Any) -> EnvironmentSettings:
        content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
        content["images"].append({"name": "mine", "base": base, **fields})
        (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
        return load_environments(tmp_path)["dev"]

    return read


def _own(**fields: Any) -> dict[str, Any]:
    return {"uri": f"{OWN}:1.4", "purpose": "inference", **fields}


@pytest.mark.parametrize(
    ("base", "uri", "has_runtime", "server"),
    [
        ({"server": "vllm", "version": "0.29"}, "/huggingface-vllm:0.29.0-transformers5.15.0-gpu-", False, "vllm"),
        ({"server": "tgi", "version": "3.3.6"}, "/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6", False, "tgi"),
        ({"server": "tei", "version": "1.8.2", "processor": "cpu"}, "/tei-cpu:2.0.1-tei1.8.2-cpu", False, "tei"),
        ({"server": "sglang", "version": "0.5.8"}, "/huggingface-sglang:0.5.8-", False, "sglang"),
        ({"server": "llamacpp", "version": "b9522"}, "/huggingface-llamacpp:b9522-gpu", False, "llamacpp"),
        ({"server": "vllm-omni", "version": "0.20.0"}, "/huggingface-vllm-omni:0.20.0", False, "vllm-omni"),
        ({"server": "vllm", "version": "0.4.4", "processor": "neuronx"}, "-inference-neuronx:0.11.0", False, "vllm"),
        (
            {"purpose": "inference", "transformers": "4.55.4", "processor": "neuronx"},
            "/huggingface-pytorch-inference-neuronx:2.8.0-transformers4.55.4",
            False,
            "neuronx",
        ),
        (
            {"purpose": "training", "transformers": "4.55.4", "processor": "neuronx"},
            "/huggingface-pytorch-training-neuronx:2.7.0-transformers4.55.4",
            True,
            "",
        ),
        (_own(), f"{OWN}:1.4", True, ""),
        (_own(uri=f"{OWN}@{DIGEST}", runtime=False), f"{OWN}@{DIGEST}", False, "own"),
    ],
)
def test_each_kind_of_base_is_one_of_the_settings(
    load: Load, base: dict[str, Any], uri: str, has_runtime: bool, server: str
) -> None:
    extension = load(base).images[-1].extension("us-east-1")
    assert uri in extension.base.uri
    assert (extension.has_runtime, extension.server) == (has_runtime, server)


def test_an_image_on_neuron_keeps_its_own_libraries(load: Load) -> None:
    image = load({"purpose": "training", "transformers": "4.55.4", "processor": "neuronx"}).images[-1]
    assert image.described("us-east-1").transformers == "4.55.4"


@pytest.mark.parametrize(
    ("base", "field", "reason"),
    [
        (
            {"server": "vllm", "version": "0.29.0", "transformers": "5.15.0"},
            "base.transformers",
            "it does not go with server. Either the fields are server, version, processor; or purpose, transformers, "
            "pytorch, processor; or uri, purpose,",
        ),
        (_own(server="vllm"), "base.server", "it does not go with uri."),
        (
            {"purpose": "inference", "transformers": "4.51.3", "version": "1"},
            "base.version",
            "does not go with purpose",
        ),
        ({"server": "vllm", "versoin": "0.29.0", "version": "0.29.0"}, "base.versoin", "Did you mean version?"),
        ({"server": "vlm", "version": "0.29.0"}, "base.server", "must be 'tgi', 'tei', 'vllm'"),
        ({"server": "vllm", "version": "0.29.9"}, "base", "Nearest: 0.29.0"),
        ({"server": "vllm", "version": "latest"}, "base.version", "must be text matching"),
        ({"server": "tgi", "version": "3.3.6", "processor": "cpu"}, "base", "It is for: gpu, neuronx"),
        (_own(uri=f"{OWN}:latest"), "base.uri", "`latest` is another image from one day to the next"),
        (_own(uri=OWN), "base.uri", "must be an image in ECR: <account>.dkr.ecr"),
        (_own(uri="docker.io/vllm/vllm-openai:v0.14"), "base.uri", "must be an image in ECR"),
        (_own(uri=f"{OWN}:1".replace("us-east-1", "eu-west-1")), "base", "team/base is in eu-west-1, and images are"),
        (_own(cuda="12"), "base.cuda", "must be text matching"),
    ],
)
def test_a_base_that_cannot_be_is_refused_with_what_can(
    load: Load, base: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(base)
    (problem,) = [each for each in caught.value.problems if reason in each] or caught.value.problems
    assert f"dev.yaml: images.2.{field} is " in problem
    assert reason in problem


def test_an_image_that_is_one_program_takes_no_python_requirements(load: Load) -> None:
    with pytest.raises(
        SettingsError, match=r"images\.2\.requirements .*must be empty: the image of tei is one program"
    ):
        load({"server": "tei", "version": "1.8.2"}, requirements=["einops==0.8.1"])
    assert load({"server": "tei", "version": "1.8.2"}, apt_packages=["jq"]).images[-1].apt_packages == ["jq"]


def _stack(settings: EnvironmentSettings, name: str) -> list[dict[str, Any]]:
    """Its resources."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    stacks = {s.stack_name: s.template for s in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}
    return list(stacks[name]["Resources"].values())


def test_a_build_may_pull_from_the_repository_of_its_own_base_and_from_no_other(load: Load) -> None:
    # Given an image of another account, by its digest, for Graviton
    base = _own(uri=f"{OWN}@{DIGEST}", runtime=False, processor="cpu", architecture="arm64")
    # When its stack is synthesised
    resources = _stack(load(base), "dev-Images")
    # Then it is built where its architecture is, on that digest
    project = next(
        r["Properties"]
        for r in resources
        if r["Type"] == "AWS::CodeBuild::Project" and "aarch64" in r["Properties"]["Environment"]["Image"]
    )
    variables = {v["Name"]: v["Value"] for v in project["Environment"]["EnvironmentVariables"]}
    assert variables["BASE_IMAGE"] == f"{OWN}@{DIGEST}"
    assert variables["BASE_REGISTRY"] == OWN.partition("/")[0]
    assert variables["IMAGE_TAG"].endswith("-" + "0a" * 6)
    assert variables["SERVER"] == "own"
    # And its role may pull from exactly there
    pulls = [
        json.dumps(statement["Resource"])
        for r in resources
        if r["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        for statement in r["Properties"]["PolicyDocument"]["Statement"]
        if "444455556666" in json.dumps(statement) and "ecr:GetDownloadUrlForLayer" in statement["Action"]
    ]
    assert len(pulls) == 1
    assert pulls[0].rstrip('"]}').endswith(":repository/team/base")
    # And the function that watches bases is told that this one never moves
    rules = [json.dumps(r["Properties"]["Targets"]) for r in resources if r["Type"] == "AWS::Events::Rule"]
    watched = [text for text in rules if "team/base" in text]
    assert watched
    assert all(r"\\\"tag\\\":\\\"\\\"" in text or r"\"tag\":\"\"" in text for text in watched)


def _endpoint(load: Load, tmp_path: Path, base: dict[str, Any], **endpoint: Any) -> EnvironmentSettings:
    load(base)
    content = yaml.safe_load((tmp_path / "dev.yaml").read_text())
    content["inference"]["endpoints"][0] |= {"image": "mine", **endpoint}
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
    return load_environments(tmp_path)["dev"]


@pytest.mark.parametrize(
    ("environment", "field", "reason"),
    [
        ({"HF_TOKEN": "x"}, "environment", "must not hold HF_TOKEN: whoever may describe the endpoint"),
        ({"SM_VLLM_MAX_MODEL_LEN": 2048}, "environment.SM_VLLM_MAX_MODEL_LEN", "put it in quotation marks"),
        ({"not a name": "x"}, "environment.not a name", "must be text matching"),
    ],
)
def test_a_variable_that_cannot_be_is_refused(
    load: Load, tmp_path: Path, environment: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        _endpoint(load, tmp_path, {"server": "vllm", "version": "0.29.0"}, environment=environment)
    (problem,) = caught.value.problems
    assert f"inference.endpoints.0.{field}" in problem
    assert reason in problem


@pytest.mark.parametrize(
    ("base", "environment", "expected"),
    [
        (
            {"server": "vllm", "version": "0.29.0"},
            {"SM_VLLM_DTYPE": "float16"},
            {"HF_HUB_OFFLINE": "1", "SM_VLLM_DTYPE": "float16"},
        ),
        ({"server": "tei", "version": "1.8.2"}, {}, {"HF_HUB_OFFLINE": "1", "HF_MODEL_ID": "/opt/ml/model"}),
        ({"purpose": "inference", "transformers": "4.51.3"}, {}, {}),
    ],
)
def test_a_container_is_told_what_the_settings_say_and_what_its_server_needs(
    load: Load, base: dict[str, Any], environment: dict[str, str], expected: dict[str, str]
) -> None:
    assert container_environment(load(base).described("mine"), environment) == expected


def test_the_variables_are_those_of_the_endpoints_container(load: Load, tmp_path: Path) -> None:
    # Given an endpoint on vLLM, with a model and a variable
    model = {"model_package": "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text/1"}
    variables = {"SM_VLLM_DTYPE": "float16"}
    settings = _endpoint(load, tmp_path, {"server": "vllm", "version": "0.29.0"}, environment=variables, model=model)
    # When it is synthesised, then its container has it, over its package's
    (found,) = [r for r in _stack(settings, "dev-EndpointSentiment") if r["Type"] == "AWS::SageMaker::Model"]
    container = found["Properties"]["PrimaryContainer"]
    assert container["Environment"]["SM_VLLM_DTYPE"] == "float16"
    assert container["ModelPackageName"].endswith("model-package/dev-text/1")
