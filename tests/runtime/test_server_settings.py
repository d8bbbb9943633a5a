"""The settings of the serving container: what the environment may say, and that all problems are told at once."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def settings(module):
    return module("inference/server_settings.py")


@pytest.fixture
def read(settings):
    def read(image: dict[str, object] | None = None, /, **variables: str):
        return settings.ServerSettings.read(variables, settings.ImageSettings(**(image or {})))

    return read


def _problems(settings, read, *arguments, **variables: str) -> list[str]:
    with pytest.raises(settings.SettingsError) as refused:
        read(*arguments, **variables)
    return refused.value.problems


def test_without_variables_the_server_is_as_sagemaker_expects_it(read) -> None:
    told = read()

    assert (told.model_folder, told.port, told.host) == (Path("/opt/ml/model"), 8080, "0.0.0.0")
    assert told.request_timeout < 60  # SageMaker's own end of a request
    assert told.max_request_bytes == 25 * 1024 * 1024
    assert told.workers is None and told.metrics_port is None and told.task is None
    assert not told.trust_remote_code and not told.allow_pickle


def test_the_toolkits_names_are_understood(read) -> None:
    told = read(
        SAGEMAKER_BASE_DIR="/data",
        SAGEMAKER_PROGRAM="serve_it.py",
        SAGEMAKER_BIND_TO_PORT="9000",
        SAGEMAKER_MODEL_SERVER_WORKERS="3",
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv",
        HF_TASK="ner",
        HF_MODEL_ID="some/model",
        HF_MODEL_REVISION="v2",
        HF_API_TOKEN="hf_abc",
    )

    assert told.model_folder == Path("/data/model")
    assert (told.program, told.port, told.workers, told.default_accept) == ("serve_it", 9000, 3, "text/csv")
    assert (told.task, told.hub_model, told.hub_revision, told.hub_token) == ("ner", "some/model", "v2", "hf_abc")


def test_all_problems_come_at_once_and_name_their_variables(settings, read) -> None:
    wrong = {
        "SAGEMAKER_BIND_TO_PORT": "80800",
        "HFSM_MAX_BATCH_SIZE": "many",
        "HFSM_MAX_BATCH_DELAY_MS": "nan",
        "HFSM_DTYPE": "int4",
        "HFSM_TORCH_COMPILE": "perhaps",
        "SAGEMAKER_PROGRAM": "../inference.py",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "json",
        "SAGEMAKER_MULTI_MODEL": "true",
    }

    problems = _problems(settings, read, **wrong)

    assert len(problems) == len(wrong)
    for name, value in wrong.items():
        (problem,) = [line for line in problems if line.startswith(name)]
        assert value in problem and "\n" not in problem


def test_a_token_is_in_no_text(settings, read) -> None:
    told = read(HF_TOKEN="hf_very_secret")
    problems = _problems(settings, read, HF_TOKEN_SECRET_ARN="hf_very_secret", HF_TOKEN="hf_very_secret")

    assert told.hub_token == "hf_very_secret"
    assert "very_secret" not in repr(told)
    assert len(problems) == 1 and "HF_TOKEN_SECRET_ARN" in problems[0] and "very_secret" not in problems[0]


def test_code_of_models_needs_the_images_permission(settings, read) -> None:
    assert "trust_remote_code" in _problems(settings, read, HF_TRUST_REMOTE_CODE="True")[0]
    assert read({"trust_remote_code": True}, HF_TRUST_REMOTE_CODE="True").trust_remote_code
    assert not read({"trust_remote_code": True}).trust_remote_code


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600"}, 55),  # what some set for slow starts; SageMaker ends at 60
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "3600", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "20"}, 20),
        (
            {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "20", "HFSM_REQUEST_TIMEOUT_SECONDS": "900"},
            900,
        ),  # asynchronous endpoints
    ],
)
def test_only_our_own_variable_makes_a_request_longer_than_sagemakers(read, variables, seconds: int) -> None:
    assert read(**variables).request_timeout == seconds


def test_our_limit_of_a_body_counts_before_the_toolkits(read) -> None:
    assert read(SAGEMAKER_MAX_PAYLOAD_IN_MB="6").max_request_bytes == 6 * 1024 * 1024
    assert read(SAGEMAKER_MAX_PAYLOAD_IN_MB="6", HFSM_MAX_REQUEST_MB="7").max_request_bytes == 7 * 1024 * 1024


def test_an_image_without_settings_has_the_careful_ones(settings, tmp_path: Path) -> None:
    image = settings.ImageSettings.read(tmp_path)

    assert (image.server, image.trust_remote_code, image.allow_pickle) == ("batching", False, False)


def test_an_image_says_what_it_allows(settings, tmp_path: Path) -> None:
    (tmp_path / "image_settings.json").write_text(json.dumps({"server": "toolkit", "allow_pickle": True}))

    image = settings.ImageSettings.read(tmp_path)

    assert (image.server, image.trust_remote_code, image.allow_pickle) == ("toolkit", False, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "is not JSON"),
        ("[]", "has to be an object"),
        ('{"allow_pickles": true}', "has to be an object with allow_pickle,"),
        ('{"allow_pickle": "yes"}', "allow_pickle has to be true or false"),
        ('{"server": "torchserve"}', "'torchserve'"),
    ],
)
def test_an_image_whose_settings_are_wrong_does_not_start(settings, tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "image_settings.json").write_text(text)

    with pytest.raises(settings.SettingsError, match=named):
        settings.ImageSettings.read(tmp_path)
