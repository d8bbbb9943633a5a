"""Writes the snapshots: `make snapshots`. The tests only compare.

A snapshot is the template that `cdk deploy` sends, with asset hashes masked: a changed function is not a changed stack.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from aws_cdk import App, Stage

from stacks.ml_environment import MlEnvironment
from stacks.settings_files import load_environments

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
_ASSET = re.compile(r"\b[0-9a-f]{64}\b")
_TAG = re.compile(r"\b[0-9a-f]{16}-(?=\d)")


def current() -> dict[str, str]:
    """File name → text, for every stack of the shipped environments."""
    app = App(
        context=json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"],
        builtin_cloud_formation_validation=False,
    )
    stages = [MlEnvironment(app, name, s) for name, s in load_environments(ROOT / "environments").items()]
    return {
        f"{stack.stack_name}.json": _masked(stack.template) for stage in stages for stack in Stage.synth(stage).stacks
    }


def _masked(template: dict[str, Any]) -> str:
    text = json.dumps(template, indent=1, ensure_ascii=False) + "\n"
    return _TAG.sub("<context>-", _ASSET.sub("<asset>", text))


def main() -> int:
    for name, text in current().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
