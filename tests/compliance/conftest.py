"""One synth per session of environments in which nothing goes unjudged."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App

from hf_sagemaker.controls.assembly import Acknowledgement, acknowledgements, environments
from hf_sagemaker.controls.templates import Templates
from stacks.gate import Gate
from stacks.ml_environment import MlEnvironment
from stacks.settings_files import load_environments

ROOT = Path(__file__).parents[2]
# What the shipped environments leave out, and controls judge.
_OBJECT_LOCK_DAYS = 30
_FILE_SYSTEMS = [
    {"name": "corpora", "type": "EFS", "id": "fs-0a1b2c3d", "security_group_id": "sg-0a1b2c3d"},
    {
        "name": "cache",
        "type": "FSxLustre",
        "id": "fs-0a1b2c3e",
        "directory_path": "/a1b2c3d4",
        "cidrs": ["10.0.1.17/32"],
    },
]


def _full(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments" / f"{name}.yaml").read_text(encoding="utf-8"))
    (endpoint,) = content["inference"]["endpoints"]
    request = str(ROOT / "tests/environments/requests/nightly.json")
    triggers = [
        {"name": "nightly", "request": request, "schedule": "cron(0 3 * * ? *)"},
        {"name": "corpus", "request": request, "new_data": {"prefix": "reviews/"}},
        {"name": "drift", "request": request, "alarm": {"name": "accuracy"}},
    ]
    content["training"] |= {"max_concurrent_runs": 2}
    content["training"]["job_types"][0]["triggers"] = triggers
    content["hub"] = {"models": [{"id": "google-bert/bert-base-uncased", "revision": "main"}]}
    if content["disposable"]:
        hub = f"google-bert/bert-base-uncased@{'a' * 40}"
        endpoint["model"] = {"hub": hub, "task": "fill-mask", "code": str(ROOT / "tests/environments/code")}
    else:
        group = f"model-package/{name}-text-classification/1"
        endpoint["model"] = {"model_package": f"arn:aws:sagemaker:{content['region']}:{content['account']}:{group}"}
        server = f"arn:aws:sagemaker:{content['region']}:{content['account']}:mlflow-tracking-server/experiments"
        content["training"]["mlflow"] = {"tracking_server_arn": server}
        data = {"object_lock_days": _OBJECT_LOCK_DAYS, "file_systems": _FILE_SYSTEMS}
        content["data"] = {**data, **content.get("data", {})}
    return content


@pytest.fixture(scope="session")
def full_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the shipped environments and the mirror.

    Each endpoint has a model: dev's of the Hub, with code; prod's registered. prod has Object Lock.
    """
    folder = tmp_path_factory.mktemp("environments")
    for name in ("dev", "prod"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_full(name)), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def context() -> dict[str, Any]:
    """The feature flags of cdk.json."""
    content: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return content


@pytest.fixture(scope="session")
def without_validation() -> Iterator[None]:
    """The CDK's built-in validation off: it costs ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        yield


@pytest.fixture(scope="session")
def full_assembly(
    full_settings: Path, context: dict[str, Any], without_validation: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What a synth of those environments writes; the evidence is in its folder `evidence`."""
    out = tmp_path_factory.mktemp("assembly") / "cdk.out"
    app = App(context=context, outdir=str(out))
    for name, settings in load_environments(full_settings).items():
        MlEnvironment(app, name, settings)
    Gate(app).synthesise(out / "evidence")
    return out


@pytest.fixture(scope="session")
def full_environments(full_assembly: Path) -> dict[str, Templates]:
    """The templates of those environments, by name; `stacks` holds them as CloudFormation gets them."""
    return environments(full_assembly)


@pytest.fixture(scope="session")
def acknowledged(full_assembly: Path) -> list[Acknowledgement]:
    """Every acknowledgement in them."""
    return acknowledgements(full_assembly)
