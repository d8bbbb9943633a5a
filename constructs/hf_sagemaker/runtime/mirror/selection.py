"""Which files of a model are brought, and what makes a model be refused. Standard library only.

What is not known to be harmless stays behind: a list of dangerous formats would never be complete.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from models import Model, RefusedError

SAFE_WEIGHTS = ".safetensors"
_CODE = ".py"
# Configurations, tokenizers, templates, texts. No YAML: some libraries run what it names.
_TEXTS = {".bpe", ".jinja", ".json", ".md", ".model", ".spm", ".tiktoken", ".txt", ".vocab"}
_TEXT_NAMES = {"LICENSE", "NOTICE", "README", "USE_POLICY"}
# Loading one of these may run code that it carries.
_PICKLES = {
    ".bin",
    ".ckpt",
    ".h5",
    ".hdf5",
    ".joblib",
    ".keras",
    ".npy",
    ".npz",
    ".pickle",
    ".pkl",
    ".pt",
    ".pth",
}
# A file of the Hub that has these keys makes libraries load code of the repository, or of another one.
_CODE_KEYS = {"auto_map", "custom_pipelines"}


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file of a model at one commit.

    identity: what the Hub says its content is: the SHA-256 of a large file, the id of a git blob (SHA-1) else.
    """

    path: str
    size: int
    identity: str

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


def choose_files(model: Model, commit: str, files: Sequence[HubFile]) -> list[HubFile]:
    """The files to bring, configurations first, so that they are judged before anything large moves.

    RefusedError: the model cannot be brought under the conditions of its settings.
    """
    strange = [file.path for file in files if ".." in file.path.split("/") or file.path.startswith("/")]
    if strange:
        raise RefusedError(f"{model}: {_listed(strange)}: no name that a file of a model can have.")
    code = [file.path for file in files if file.suffix == _CODE]
    if code and commit not in model.allow_remote_code:
        raise RefusedError(_remote_code(model, commit, f"holds code of its own ({_listed(code)})"))
    kept = [file for file in files if _is_kept(file, model, commit)]
    if not any(file.suffix == SAFE_WEIGHTS or file.suffix in _PICKLES for file in kept):
        raise RefusedError(_no_weights(model, files))
    return sorted(kept, key=lambda file: (file.suffix != ".json", file.path))


def _is_kept(file: HubFile, model: Model, commit: str) -> bool:
    if file.suffix == _CODE:
        return commit in model.allow_remote_code
    if file.suffix in _PICKLES:
        return model.allow_pickle
    return file.suffix == SAFE_WEIGHTS or file.suffix in _TEXTS or file.path in _TEXT_NAMES


def _no_weights(model: Model, files: Iterable[HubFile]) -> str:
    pickles = [file.path for file in files if file.suffix in _PICKLES]
    if not pickles:
        return f"{model}: holds no weights as {SAFE_WEIGHTS}, and no other format is brought."
    return (
        f"{model}: holds weights in formats that may run code when they are loaded only ({_listed(pickles)}). Name a "
        f"revision with {SAFE_WEIGHTS} (the Hub's converter offers one as refs/pr/<n> of many models), convert it "
        "yourself, or, when you trust whoever made it, set allow_pickle: true for it in hub.models."
    )


def refuse_code_in(model: Model, commit: str, path: str, content: bytes) -> None:
    """RefusedError: a configuration names code to be run (trust_remote_code), and the commit is not allowed to."""
    try:
        document = json.loads(content)
    except ValueError:
        raise RefusedError(f"{model}: {path} is not JSON, so nobody can tell what it makes a library do.") from None
    if _keys(document) & _CODE_KEYS and commit not in model.allow_remote_code:
        raise RefusedError(_remote_code(model, commit, f"names code to be run ({path})"))


def _keys(document: Any) -> set[str]:
    """Every key at any depth but those of numbers: a vocabulary may know any word."""
    if isinstance(document, dict):
        own = {key for key, value in document.items() if not isinstance(value, int | float)}
        return own.union(*(_keys(value) for value in document.values()))
    return set().union(*(_keys(value) for value in document)) if isinstance(document, list) else set()


def _remote_code(model: Model, commit: str, what: str) -> str:
    return (
        f"{model}: commit {commit} {what}, which whoever loads it with trust_remote_code runs. Read that code, then "
        "add the commit to the model's allow_remote_code in hub.models."
    )


def _listed(paths: Sequence[str], shown: int = 3) -> str:
    rest = f" and {len(paths) - shown} more" if len(paths) > shown else ""
    return ", ".join(paths[:shown]) + rest
