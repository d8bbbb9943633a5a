"""Which server an inference image starts, what it may do, and what an endpoint may tell it.

Imports no CDK: settings are checked with it.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal

ServingServer = Literal["batching", "toolkit"]
"""batching: this library's. toolkit: the Hugging Face toolkit's with multi-model-server, which the base brings."""

_RUNTIME = Path(__file__).with_name("runtime") / "inference"
_VARIABLE = re.compile(r"\bHFSM_[A-Z_]+\b")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What an inference image with this library's runtime is built with. Whoever deploys a model cannot widen it.

    server: what starts in it.
    trust_remote_code: whether HF_TRUST_REMOTE_CODE of an endpoint may run Python code that comes with a model.
    allow_pickle: whether weights may be pickles, which run code when they are loaded. The toolkit always loads them.
    """

    server: ServingServer = "batching"
    trust_remote_code: bool = False
    allow_pickle: bool = False

    def as_json(self) -> str:
        """The content of image_settings.json, beside the server's code."""
        return json.dumps(asdict(self)) + "\n"

    def variable_problems(self, environment: Mapping[str, str]) -> list[tuple[str, str]]:
        """(variable, what it must be) for each variable of a container with which it would not start.

        Values are read by the server's own code.
        """
        if self.server == "toolkit":
            trusts = environment.get("HF_TRUST_REMOTE_CODE", "").lower() in ("1", "true", "yes", "on", "y", "t")
            return [_REMOTE_CODE] if trusts and not self.trust_remote_code else []
        code = _server_settings()
        unknown = [name for name in environment if name.startswith("HFSM_") and name not in _known_variables()]
        found = [(name, f"must be left out: the server knows {', '.join(_known_variables())}") for name in unknown]
        try:
            code.ServerSettings.read(environment, code.ImageSettings(**asdict(self)))
        except code.SettingsError as error:
            found += [_problem(text) for text in error.problems]
        return found


_REMOTE_CODE = (
    "HF_TRUST_REMOTE_CODE",
    "must be left out: the image runs no code that comes with a model, unless its settings say `serving: "
    "{trust_remote_code: true}`",
)


def _problem(text: str) -> tuple[str, str]:
    """What the server would say before it ends, as a half-sentence."""
    name = text.partition(" ")[0]
    if name == _REMOTE_CODE[0] and "trust_remote_code" in text:
        return _REMOTE_CODE
    _, _, wanted = text.partition(": set it to ")
    return name, f"must be {wanted}" if wanted else f"must be left out or another: {text}"


@cache
def _server_settings() -> ModuleType:
    """The module with which the server reads its variables: what is refused here is what would fail there."""
    name = f"{__name__}.server_settings"
    specification = importlib.util.spec_from_file_location(name, _RUNTIME / "server_settings.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where dataclasses look for what annotations mean
    specification.loader.exec_module(module)
    return module


@cache
def _known_variables() -> list[str]:
    """Variables of the server's own, as its code names them."""
    return sorted({name for file in _RUNTIME.glob("*.py") for name in _VARIABLE.findall(file.read_text("utf-8"))})
