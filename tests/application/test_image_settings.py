"""The images of settings files: what may be said, what is refused, and what `latest` stands for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from hf_sagemaker.image_lock import Pin, lock_text
from stacks.image_settings import ImageSettings
from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
WHISPER: dict[str, Any] = {
    "name": "whisper",
    "base": {"purpose": "training", "transformers": "4.56"},
    "requirements": ["soundfile==0.13.1"],
}
Load = Callable[[dict[str, Any]], EnvironmentSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads dev with one image more than it has."""

    def read(image: dict[str, Any]) -> EnvironmentSettings:
        content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
        content["images"].append(image)
        (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
        return load_environments(tmp_path)["dev"]

    return read


def _problems(load: Load, image: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(image)
    return caught.value.problems


def _base(**fields: str) -> dict[str, Any]:
    return {"base": {**WHISPER["base"], **fields}}


def test_an_image_more_is_built_like_the_others(load: Load, tmp_path: Path) -> None:
    # Given four lines of settings
    settings = load(WHISPER)
    # When they are synthesised
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    stacks = {s.stack_name: s.template for s in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}
    resources = stacks["dev-Images"]["Resources"].values()
    # Then it has a repository of its own, and a project that builds it over the completed version
    names = [r["Properties"]["RepositoryName"] for r in resources if r["Type"] == "AWS::ECR::Repository"]
    assert "hf-sagemaker/dev/whisper" in names
    projects = [r["Properties"] for r in resources if r["Type"] == "AWS::CodeBuild::Project"]
    variables = [{v["Name"]: v["Value"] for v in p["Environment"]["EnvironmentVariables"]} for p in projects]
    (whisper,) = [v for v in variables if "WhisperImageRepository" in json.dumps(v["REPOSITORY_URI"])]
    assert whisper["BASE_IMAGE"].endswith(":2.8.0-transformers4.56.2-gpu-py312-cu129-ubuntu22.04")
    # And operators find it
    parameters = [r["Properties"].get("Name") for r in resources if r["Type"] == "AWS::SSM::Parameter"]
    assert "/hf-sagemaker/dev/images/whisper/uri" in parameters


def test_a_requirements_file_is_read_from_beside_the_settings(load: Load, tmp_path: Path) -> None:
    (tmp_path / "whisper.txt").write_text("# speech\nsoundfile==0.13.1\n\nlibrosa==0.11.0  # and more\n")
    settings = load(WHISPER | {"requirements": "whisper.txt"})
    assert settings.images[-1].requirements == ["soundfile==0.13.1", "librosa==0.11.0"]


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"requirements": ["transformers>=4"]}, "images.2.requirements", "must be pinned: name==version"),
        ({"requirements": ["torch==2.8.0"]}, "images.2.requirements", "torch and its CUDA are the base's own"),
        ({"requirements": "nowhere.txt"}, "images.2.requirements", "or a file beside the environment file: no /"),
        ({"apt_packages": ["ffmpeg; reboot"]}, "images.2.apt_packages.0", "must be text matching"),
        ({"dockerfile": "nowhere/Dockerfile"}, "images.2.dockerfile", "there is no /"),
        ({"dockerfile": "Dockerfile"}, "images.2.dockerfile", "must be in a folder of its own"),
        ({"dockerfile": "mine/Dockerfile"}, "images.2.dockerfile", "must begin with `ARG BASE_IMAGE`"),
        ({"name": "training"}, "images.2.name", "must be a name that no earlier entry has"),
        ({"requirments": []}, "images.2.requirments", "Did you mean requirements?"),
        (_base(transformers="4.57.6"), "images.2.base", "Nearest: 4.56.2, 5.3.0"),
        (_base(transformers="latest"), "images.2.base", "let `hfsm images update` pin it"),
        (_base(transformers="newest"), "images.2.base.transformers", "must be text matching"),
        (_base(processor="cpu"), "images.2.base", "It is for: gpu, neuronx"),
        (
            {
                "requirements": ["transformers==5.3.0"],
                "serving": {"server": "toolkit"},
                **_base(purpose="inference", transformers="4.51.3"),
            },
            "images.2.base",
            "2.6.0 of image 'whisper' cannot import transformers 5.3.0",
        ),
    ],
)
def test_a_wrong_image_is_refused(load: Load, tmp_path: Path, change: dict[str, Any], path: str, reason: str) -> None:
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/Dockerfile").write_text("FROM python:3.12\n")
    (problem,) = _problems(load, WHISPER | change)
    assert f"dev.yaml: {path} is " in problem
    assert reason in problem


def test_a_dockerfile_of_ones_own_may_have_stages_before_the_last(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = "ARG BASE_IMAGE\nFROM gcc:14 AS build\nRUN make\nFROM ${BASE_IMAGE}\nCOPY --from=build /a /a\n"
    (tmp_path / "mine/Dockerfile").write_text(text)
    settings = load(WHISPER | {"dockerfile": "mine/Dockerfile"})
    assert settings.images[-1].dockerfile == (tmp_path / "mine/Dockerfile").resolve()


def test_a_job_that_trains_with_5_and_serves_with_4_is_refused(tmp_path: Path) -> None:
    # Given a training image of transformers 5, and a serving image of 4, on a T4 and on a GPU without an image
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["images"][0]["base"] = {"purpose": "training", "transformers": "5.3.0"}
    content["training"]["job_types"][0]["allowed_instance_types"] = ["ml.p3.2xlarge", "ml.trn1.2xlarge"]
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
    # When it is read, then each contradiction is told, with what mends it
    with pytest.raises(SettingsError) as caught:
        load_environments(tmp_path)
    serving, volta, neuron = caught.value.problems
    assert 'inference_image is "inference": must be an image with transformers 5 or later' in serving
    assert 'is "ml.p3.2xlarge": must have a GPU of compute capability 7.5 or later (for example' in volta
    assert 'is "ml.trn1.2xlarge": must be a GPU instance' in neuron


FIVE = {"name": "five", "base": {"purpose": "training", "transformers": "5.3.0"}}


def _job(settings: EnvironmentSettings) -> tuple[list[str], dict[str, str]]:
    """The images that a request of dev's job type may name, and why not the others."""
    (job,) = settings.training.job_types
    training = [image.name for image in settings.images if image.base.purpose == "training"]
    reasons = {name: settings.why_unfit(job, name) for name in training}
    return settings.nameable_images(job), {name: reason for name, reason in reasons.items() if reason}


def test_a_request_may_name_every_training_image_that_fits(load: Load) -> None:
    assert _job(load(WHISPER)) == (["training", "whisper"], {})


def test_an_image_whose_models_could_not_be_served_is_not_nameable(load: Load) -> None:
    nameable, unfit = _job(load(FIVE))
    assert nameable == ["training"]
    assert "inference image inference must be an image with transformers 5 or later: 'five' saves" in unfit["five"]


def _allowing(tmp_path: Path, *names: str) -> dict[str, EnvironmentSettings]:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["images"] += [WHISPER, FIVE]
    content["training"]["job_types"][0]["allowed_images"] = list(names)
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
    return load_environments(tmp_path)


@pytest.mark.parametrize(("allowed", "nameable"), [([], ["training"]), (["whisper"], ["training", "whisper"])])
def test_a_job_type_may_allow_less(tmp_path: Path, allowed: list[str], nameable: list[str]) -> None:
    assert _job(_allowing(tmp_path, *allowed)["dev"])[0] == nameable


def test_an_image_that_is_allowed_must_exist_and_fit(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _allowing(tmp_path, "five", "wisper")
    five, wisper = caught.value.problems
    assert 'allowed_images.0 is "five": must fit this job type: inference image inference must be an image' in five
    assert 'allowed_images.1 is "wisper": must be the name of an image under `images` with purpose training' in wisper


def test_the_workflow_knows_what_may_be_named_and_why_not_the_rest(load: Load) -> None:
    # Given an image more that fits, and one that does not
    settings = load(WHISPER)
    settings.images.append(ImageSettings.model_validate(FIVE))
    # When the environment is synthesised
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    stacks = {s.stack_name: s.template for s in Stage.synth(MlEnvironment(app, "dev", settings)).stacks}
    training = json.dumps(stacks["dev-Training"])
    # Then a request is answered by it, and operators see it
    assert "WhisperImageBuildDigest" in training
    assert "FiveImageBuildDigest" not in training
    assert "It does not fit: inference image inference must be" in training
    parameters = [r["Properties"] for r in stacks["dev-Training"]["Resources"].values() if "SSM" in r["Type"]]
    assert {
        "Name": "/hf-sagemaker/dev/training/text-classification/further-images",
        "Value": "whisper",
    }.items() <= next(each for each in parameters if each["Name"].endswith("further-images")).items()


def _lock(folder: Path, **pin: str) -> None:
    pins = {"purpose": "training", "processor": "gpu", "transformers": "5.3.0", "pytorch": "2.9.0"} | pin
    (folder / "images.lock.json").write_text(lock_text({"dev": {"whisper": Pin(**pins)}}))


def test_latest_is_what_the_lock_file_says(load: Load, tmp_path: Path) -> None:
    _lock(tmp_path)
    base = load(WHISPER | _base(transformers="latest")).images[-1].base
    assert (base.transformers, base.pytorch) == ("5.3.0", "2.9.0")


def test_a_pin_of_another_kind_of_image_is_none(load: Load, tmp_path: Path) -> None:
    _lock(tmp_path, purpose="inference", processor="cpu")
    (problem,) = _problems(load, WHISPER | _base(transformers="latest"))
    assert "let `hfsm images update` pin it" in problem


@pytest.mark.parametrize("text", ["[", "{}", '{"schema_version": "9", "images": {}}', '{"schema_version": "1"}'])
def test_a_broken_lock_file_says_what_to_do(load: Load, tmp_path: Path, text: str) -> None:
    (tmp_path / "images.lock.json").write_text(text)
    (problem,) = _problems(load, WHISPER)
    assert "images.lock.json: is no lock file of images: " in problem
    assert "delete it and run `hfsm images update`" in problem
