"""How images serve, and what endpoints tell their server: what settings may say, what is refused, what it leads to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_sagemaker import dlc_catalog
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.serving import Serving
from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
INFERENCE = {"purpose": "inference", "transformers": "4.51.3"}
OWN = {"uri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/base:1.4", "purpose": "inference"}
Load = Callable[..., EnvironmentSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads dev with an image more, and an endpoint on it with those variables."""

    def read(base: dict[str, Any], variables: dict[str, str] | None = None, **image: Any) -> EnvironmentSettings:
        content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
        content["images"].append({"name": "mine", "base": base, **image})
        if variables is not None:
            content["inference"]["endpoints"][0] |= {"image": "mine", "environment": variables}
        (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
        return load_environments(tmp_path)["dev"]

    return read


def _problems(load: Load, *arguments: Any, **image: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(*arguments, **image)
    return caught.value.problems


def _context(settings: EnvironmentSettings, folder: Path) -> dict[str, Any]:
    """What the build of the image more writes beside the server's code."""
    settings.images[-1].extension("us-east-1").write_context(folder)
    content: dict[str, Any] = json.loads((folder / "images/inference/image_settings.json").read_text())
    return content


def test_nothing_said_is_the_batching_server_which_trusts_nobody(load: Load, tmp_path: Path) -> None:
    settings = load(INFERENCE)

    expected = {"server": "batching", "trust_remote_code": False, "allow_pickle": False}
    assert _context(settings, tmp_path / "context") == expected
    assert settings.described("mine").serving == Serving()


def test_what_is_said_reaches_the_build(load: Load, tmp_path: Path) -> None:
    settings = load(INFERENCE, serving={"trust_remote_code": True, "allow_pickle": True})

    expected = {"server": "batching", "trust_remote_code": True, "allow_pickle": True}
    assert _context(settings, tmp_path / "context") == expected


def test_the_stock_server_is_the_other_choice(load: Load, tmp_path: Path) -> None:
    settings = load(INFERENCE, serving={"server": "toolkit"})

    assert _context(settings, tmp_path / "context")["server"] == "toolkit"
    image = settings.described("mine")
    assert image.serving == Serving(server="toolkit")
    assert image.toolkit == "2.6.0"


def test_an_image_of_ones_own_for_neuron_keeps_the_stock_server(load: Load, tmp_path: Path) -> None:
    settings = load({**OWN, "processor": "neuronx"})

    assert _context(settings, tmp_path / "context")["server"] == "toolkit"


@pytest.mark.parametrize(
    ("base", "serving", "path", "reason"),
    [
        ({**INFERENCE, "purpose": "training", "transformers": "4.56.2"}, {}, "serving", "for images that serve, and"),
        ({"server": "vllm", "version": "0.29.0"}, {}, "serving", "an image of vllm starts with its own server"),
        ({"server": "tei", "version": "1.8.2"}, {}, "serving", "an image of tei starts with its own server"),
        (
            {**INFERENCE, "transformers": "4.55.4", "processor": "neuronx"},
            {"server": "toolkit"},
            "serving",
            "an image for neuronx starts with its own server, the Hugging Face toolkit's",
        ),
        ({**OWN, "runtime": False}, {}, "serving", "runtime: false: the image starts with what it brings itself"),
        ({**OWN, "processor": "neuronx"}, {}, "serving", "must say server: toolkit"),
        (INFERENCE, {"server": "triton"}, "serving.server", "must be 'batching' or 'toolkit'"),
        (
            INFERENCE,
            {"server": "toolkit", "allow_pickle": True},
            "serving.allow_pickle",
            "which loads pickles whatever",
        ),
    ],
)
def test_an_image_that_cannot_serve_so_is_refused(
    load: Load, base: dict[str, Any], serving: dict[str, Any], path: str, reason: str
) -> None:
    (problem,) = _problems(load, base, serving=serving)
    assert f"dev.yaml: images.2.{path} is " in problem
    assert reason in problem


def test_transformers_5_can_be_put_over_a_base_with_4_where_the_batching_server_serves(load: Load) -> None:
    five = ["transformers==5.3.0"]

    assert load(INFERENCE, requirements=five).described("mine").transformers == "5.3.0"
    (problem,) = _problems(load, INFERENCE, requirements=five, serving={"server": "toolkit"})
    assert "2.6.0 of image 'mine' cannot import transformers 5.3.0" in problem


@pytest.mark.parametrize(
    "variables",
    [
        {"HFSM_MAX_BATCH_SIZE": "8", "HFSM_MAX_QUEUE": "64", "HFSM_DTYPE": "float16"},
        {"HFSM_MAX_BATCH_DELAY_MS": "2.5", "HFSM_MAX_BATCH_TOKENS": "4096", "HFSM_TORCH_COMPILE": "true"},
        {"HF_TASK": "text-classification", "SAGEMAKER_MODEL_SERVER_WORKERS": "2", "ANYTHING": "else"},
    ],
)
def test_variables_that_the_server_understands_are_not_refused(load: Load, variables: dict[str, str]) -> None:
    assert load(INFERENCE, variables).inference.endpoints[0].environment == variables


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"HFSM_MAX_BATCH_SIZE": "0"}, "must be a whole number from 1 to"),
        ({"HFSM_MAX_QUEUE": "many"}, "must be a whole number from 1 to"),
        ({"HFSM_REQUEST_TIMEOUT_SECONDS": "0"}, "must be a number from 1 to"),
        ({"HFSM_DTYPE": "float8"}, "must be one of auto, float32, float16, bfloat16"),
        ({"HFSM_DTYPE": "bfloat16"}, "must be float16 on ml.g4dn.xlarge: bfloat16 needs a GPU of compute capability"),
        ({"HFSM_MAX_BATCHSIZE": "8"}, "must be left out: the server knows HFSM_"),
        ({"SAGEMAKER_MULTI_MODEL": "true"}, "only an image with the server `toolkit` serves many models"),
        (
            {"HF_TOKEN_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-a1b2c3"},
            "the role of endpoints may read no secret. A gated model is mirrored",
        ),
        ({"HF_TRUST_REMOTE_CODE": "true"}, "must be left out: the image runs no code that comes with a model"),
    ],
)
def test_a_variable_with_which_the_server_would_not_start_is_refused(
    load: Load, variables: dict[str, str], reason: str
) -> None:
    (problem,) = _problems(load, INFERENCE, variables)
    (name,) = variables
    assert f"inference.endpoints.0.environment.{name} is " in problem
    assert reason in problem


@pytest.mark.parametrize("server", ["batching", "toolkit"])
def test_code_of_models_is_run_only_where_the_image_allows_it(load: Load, server: str) -> None:
    trusts = {"HF_TRUST_REMOTE_CODE": "true"}

    (problem,) = _problems(load, INFERENCE, trusts, serving={"server": server})
    assert "`serving: {trust_remote_code: true}`" in problem
    allowed = load(INFERENCE, trusts, serving={"server": server, "trust_remote_code": True})
    assert allowed.inference.endpoints[0].environment == trusts


def test_the_stock_server_has_no_variables_of_ours(load: Load) -> None:
    variables = {"HFSM_MAX_QUEUE": "many"}

    assert load(INFERENCE, variables, serving={"server": "toolkit"}).inference.endpoints[0].environment == variables


def test_a_promoted_image_serves_as_where_it_was_built(tmp_path: Path) -> None:
    for name, image in {
        "dev": {"base": INFERENCE, "serving": {"server": "toolkit"}},
        "prod": {"promoted_from": "dev"},
    }.items():
        content = yaml.safe_load((ROOT / f"environments/{name}.yaml").read_text())
        content["images"] = [content["images"][0], {"name": "inference", **image}]
        content["disposable"] = False
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))

    assert load_environments(tmp_path)["prod"].described("inference").serving == Serving(server="toolkit")


def test_how_it_serves_is_part_of_what_an_image_is(tmp_path: Path) -> None:
    base = dlc_catalog.resolve("inference", transformers="4.51.3", region="us-east-1")
    contexts = {}
    for serving in (None, Serving(), Serving(server="toolkit"), Serving(allow_pickle=True)):
        folder = tmp_path / str(len(contexts))
        ImageExtension(purpose="inference", base=base, serving=serving).write_context(folder)
        contexts[serving] = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert contexts[None] == contexts[Serving()]
    assert contexts[Serving()] != contexts[Serving(server="toolkit")]
    assert contexts[Serving()] != contexts[Serving(allow_pickle=True)]


def test_a_server_cannot_be_chosen_for_an_image_that_has_its_own() -> None:
    base = dlc_catalog.resolve_server("vllm", version="0.29.0", region="us-east-1")
    with pytest.raises(ValueError, match="huggingface-vllm gets no server of this library"):
        ImageExtension(purpose="inference", base=base, serving=Serving())
