"""Both environments with everything switched on, their policies, and the tables as requests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stage

from hf_sagemaker.controls.templates import Templates
from stacks.ml_environment import MlEnvironment
from stacks.organization import Organization
from stacks.organization_settings import OrganizationSettings
from stacks.promotion_settings import ENVIRONMENTS, destinations
from stacks.settings import EnvironmentSettings
from tests.compliance.iam import table
from tests.compliance.iam.names import Names
from tests.compliance.iam.policy_model import PolicyModel
from tests.compliance.iam.requests import ORGANIZATION, World
from tests.compliance.iam.simulator import Request

ROOT = Path(__file__).parents[3]
CODE = ROOT / "tests/environments/code"


def _everything(name: str) -> dict[str, Any]:
    """The shipped settings with every role, key and way that settings can ask for, so that no policy goes untried."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments" / f"{name}.yaml").read_text(encoding="utf-8"))
    account, region = content["account"], content["region"]
    sso = f"arn:aws:iam::{account}:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO"
    content["roles"] = {
        "data_scientists": [f"{sso}_DataScientist_*"],
        "platform_operators": [f"{sso}_PlatformOperator_*"],
        "sagemaker_execution_role": True,
    }
    key = f"arn:aws:kms:{region}:555555555555:key/0a1b2c3d-0000-4000-8000-000000000000"
    content["data"] = {"read_only_buckets": [{"name": "the-teams-corpus", "key_arn": key}]}
    if name == "prod":
        content["network"]["organization_id"] = ORGANIZATION
        content["builds"] = {"codeartifact": {"domain": "packages", "repository": "pypi"}}
        content["images"][0]["rebuild"] = {"on_announcement": True}
    content["hub"] = {
        "models": [{"id": "google-bert/bert-base-uncased", "revision": "main"}],
        "token_secret_arn": f"arn:aws:secretsmanager:{region}:{account}:secret:hugging-face-a1b2c3",
        "token_key_arn": f"arn:aws:kms:{region}:{account}:key/0a1b2c3d-0000-4000-8000-000000000001",
    }
    content["training"]["git"] = {
        "allowed_repositories": ["https://github.com/team/*"],
        "token_secret_arn": f"arn:aws:secretsmanager:{region}:{account}:secret:git-a1b2c3",
    }
    server = f"arn:aws:sagemaker:{region}:{account}:mlflow-tracking-server/experiments"
    content["training"]["mlflow"] = {"tracking_server_arn": server}
    request = str(ROOT / "tests/environments/requests/nightly.json")
    content["training"]["max_concurrent_runs"] = 2
    content["training"]["job_types"][0]["triggers"] = [
        {"name": "nightly", "request": request, "schedule": "cron(0 3 * * ? *)"},
        {"name": "corpus", "request": request, "new_data": {"prefix": "reviews/"}},
        {"name": "lake", "request": request, "new_data": {"prefix": "new/", "bucket": "the-teams-corpus"}},
        {"name": "drift", "request": request, "alarm": {"name": "accuracy"}},
    ]
    package = f"arn:aws:sagemaker:{region}:{account}:model-package/{name}-text-classification/1"
    (endpoint,) = content["inference"]["endpoints"]
    served = {
        endpoint["name"]: {"model_package": package},
        "mirrored": {"hub": f"google-bert/bert-base-uncased@{'a' * 40}", "task": "fill-mask", "code": str(CODE)},
        "followed": {"approved": "text-classification"},
        "archived": {"s3": "s3://the-teams-corpus/models/summaries/", "task": "summarization"},
    }
    content["inference"]["endpoints"] = [
        *({**endpoint, "name": name, "model": model} for name, model in served.items()),
        {"name": "queued", "mode": "asynchronous", "model": {"model_package": package}},
        {
            "name": "idle",
            "mode": "serverless",
            "image": "processors",
            "model": {"model_package": package},
            "serverless": {"outside_network": True},
        },
    ]
    base = {"purpose": "inference", "transformers": "4.51.3", "processor": "cpu"}
    content["images"].append({"name": "processors", "base": base})
    # An image that dev builds and prod runs too.
    shared = {"base": {"purpose": "training", "transformers": "4.56.2"}} if name == "dev" else {"promoted_from": "dev"}
    content["images"].append({"name": "shared", **shared})
    return content


@pytest.fixture(scope="session")
def settings() -> dict[str, EnvironmentSettings]:
    """By environment."""
    found: dict[str, EnvironmentSettings] = {}
    for name in ("dev", "prod"):
        found[name] = EnvironmentSettings.model_validate(
            _everything(name), context={ENVIRONMENTS: lambda source: found[source]}
        )
    return found


@pytest.fixture(scope="session")
def app() -> App:
    """With the feature flags of the shipped one."""
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return App(context=context, builtin_cloud_formation_validation=False)


@pytest.fixture(scope="session")
def environments(app: App, settings: dict[str, EnvironmentSettings]) -> dict[str, Templates]:
    """By name."""
    found = {}
    for name, content in settings.items():
        stacks = Stage.synth(MlEnvironment(app, name, content, destinations(name, settings))).stacks
        found[name] = Templates(
            name,
            account=content.account,
            region=content.region,
            stacks={stack.stack_name: stack.template for stack in stacks},
        )
    return found


@pytest.fixture(scope="session")
def service_control_policies(app: App, settings: dict[str, EnvironmentSettings]) -> dict[str, Mapping[str, Any]]:
    """The one of each environment's account."""
    organization = OrganizationSettings(account="555555555555")
    (stack,) = Stage.synth(Organization(app, organization, settings)).stacks
    contents = [body["Properties"] for body in stack.template["Resources"].values()]
    return {
        name: content["Content"]
        for name, ours in settings.items()
        for content in contents
        if ours.account in content["TargetIds"]
    }


@pytest.fixture(scope="session")
def world(environments: dict[str, Templates], service_control_policies: dict[str, Mapping[str, Any]]) -> World:
    """The environments' policies, side by side."""
    models = {
        name: PolicyModel(templates, scp=service_control_policies[name]) for name, templates in environments.items()
    }
    return World(models, Names(models, table.names()))


@pytest.fixture(scope="session")
def requests(world: World) -> dict[str, tuple[Request, bool]]:
    """Every request of both tables by its id, with what has to become of it: True when it must be allowed."""
    must = [(request, True) for row in table.duties() for request in world.duty(row)]
    must += [(request, False) for row in table.attacks() for request in world.attack(row)]
    must += [(request, True) for row in table.attacks() for request in world.twin(row)]
    return {request.id: (request, allowed) for request, allowed in must}
