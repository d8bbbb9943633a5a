"""No token, key or password in anything that a synth writes: templates, assets, manifests, metadata, evidence."""

import secrets
import shutil
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from hf_sagemaker.controls.secret_settings import is_secret_setting
from hf_sagemaker.controls.tokens import token_like

_LETTERS = string.ascii_letters + string.digits
# Made of parts, so that no scanner takes this file for a leak.
HUB_TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567"
ACCESS_KEY = "AKIA" + "IOSFODNN7EXAMPLE"


def _found(folder: Path) -> Iterator[str]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            for token in token_like(file.read_bytes().decode("utf-8", errors="replace")):
                yield f"{file.relative_to(folder)}: {token}"


def test_a_synth_writes_no_token(full_assembly: Path) -> None:
    # Given everything that a synth wrote
    files = {file.name.split(".", 1)[-1] for file in full_assembly.rglob("*") if file.is_file()}
    assert {"template.json", "metadata.json", "md", "py"} <= files
    # Then nothing in it looks like a credential
    assert list(_found(full_assembly)) == []


@pytest.mark.parametrize("name", ["assembly-prod/*.template.json", "asset.*/**/*.py", "evidence/prod.md"])
def test_a_token_in_any_of_it_is_found(full_assembly: Path, tmp_path: Path, name: str) -> None:
    # Given one file of the output with the Hub's token in it
    file = sorted(full_assembly.glob(name))[0]
    shutil.copy(file, tmp_path)
    with (tmp_path / file.name).open("a", encoding="utf-8") as output:
        output.write(f'"HF_TOKEN": "{HUB_TOKEN}"')
    # Then it is found
    assert list(_found(tmp_path)) == [f"{file.name}: {HUB_TOKEN}"]


@pytest.mark.parametrize(
    "token",
    [
        HUB_TOKEN,
        ACCESS_KEY,
        "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345",
        "-----BEGIN RSA PRIVATE KEY-----",
        "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    ],
)
def test_known_forms(token: str) -> None:
    assert list(token_like(f"before {token} after")) == [token]


def test_random_values_have_no_form_and_are_found() -> None:
    # Given a hundred random values, of which a few may read like words
    values = ["".join(secrets.choice(_LETTERS) for _ in range(40)) for _ in range(100)]
    # Then nearly all are found
    assert sum(list(token_like(f'"password": "{value}"')) == [value] for value in values) >= 95


@pytest.mark.parametrize(
    "harmless",
    [
        "3f1a9c0d7e5b2a4f6c8d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d",
        "TextClassificationOrchestrationPolicy1A2B3C4D",
        "PublishOutputFnGetAttInferenceImageRepository2E4EFE82Arn6399B7F4",
        "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/1",
        "hf_hub_offline_and_other_names_that_begin_alike",
    ],
)
def test_what_only_looks_long_is_not(harmless: str) -> None:
    assert list(token_like(harmless)) == []


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("HFSM_MAX_BATCH_TOKENS", "4096", False),
        ("MAX_BATCH_TOKENS", "16384", False),
        ("API_TOKENS", "abcdef", True),
        ("HF_TOKEN", "4096", True),
        ("PASSWORD", "4096", True),
    ],
)
def test_a_number_of_tokens_is_no_secret(name: str, value: str, secret: bool) -> None:
    assert is_secret_setting(name, value) is secret
