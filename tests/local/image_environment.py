"""dev with an image `whisper` of its own, deployed by the real CLI; and prod in another account, which promotes it."""

import json
import urllib.request
from datetime import date
from typing import Any
from urllib.parse import quote

import boto3
import yaml

from tests.local.compute_projects import until
from tests.local.control import control
from tests.local.test_end_to_end import ROOT, Environment

DEV, PROD = "123456789012", "210987654321"
FINDING = "CVE-2026-1"
SCRIPT = """
import importlib.metadata, os, pathlib
print("speechkit", importlib.metadata.version("speechkit"), "in the job")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
print("eval_accuracy=1.0")
"""


def settings_of_dev(version: str) -> dict[str, Any]:
    """dev with an image of our own; that of the job type is nobody's matter here, and not built."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    image = {"base": {"purpose": "training", "transformers": "4.56"}, "requirements": [f"speechkit=={version}"]}
    content["images"].append({"name": "whisper", **image, "rebuild": {"on_announcement": True}})
    content["images"][0]["rebuild"] = {"on_change": False}
    content["disposable"] = False  # others run its images
    return content


def settings_of_prod(until: date) -> dict[str, Any]:
    """prod, which builds nothing: both images are dev's, a finding in one accepted until that day."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/prod.yaml").read_text())
    accepted = {"name": FINDING, "until": until, "reason": "Not reachable from our code."}
    content["images"] = [
        {"name": "whisper", "promoted_from": "dev", "rebuild": {"accepted_findings": [accepted]}},
        {"name": "inference", "promoted_from": "dev"},
    ]
    content["training"]["job_types"][0] |= {"name": "speech", "image": "whisper"}
    return content


def deploy(environment: Environment, settings: dict[str, dict[str, Any]], *stacks: str) -> None:
    """By environment; stacks: patterns."""
    folder, out = environment.folder / "-".join(settings), str(environment.folder / f"{'-'.join(settings)}.out")
    folder.mkdir(exist_ok=True)
    for name, content in settings.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    synth = environment.cdk("synth", "--quiet", "--output", out, "-c", f"environments={folder}")
    assert synth.returncode == 0, synth.stderr
    options = ("--exclusively", "--require-approval", "never", "--method", "direct", "--concurrency", "6")
    done = environment.cdk("deploy", "--app", out, *stacks, *options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def parameter(environment: Environment, path: str) -> str:
    ssm = environment.running.client("ssm")
    return str(ssm.get_parameter(Name=f"/hf-sagemaker/dev/{path}")["Parameter"]["Value"])


def builds(environment: Environment, image: str, count: int) -> list[str]:
    """How the builds of an image have ended, the newest first, when there are so many."""
    codebuild = environment.running.client("codebuild")

    def look() -> list[str]:
        project = parameter(environment, f"images/{image}/project")
        ids = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"]
        found = codebuild.batch_get_builds(ids=ids)["builds"] if ids else []
        return [build["buildStatus"] for build in found]

    return until(look, lambda seen: len(seen) >= count and "IN_PROGRESS" not in seen, seconds=280)


def digests(environment: Environment) -> list[str]:
    """What the environment has used as whisper, one after the other."""
    history = environment.running.client("ssm").get_parameter_history(Name="/hf-sagemaker/dev/images/whisper/digest")
    return [entry["Value"] for entry in history["Parameters"]]


def build_lines(environment: Environment) -> list[str]:
    """What the builds of whisper have printed."""
    logs = environment.running.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    names = [name for name in groups if "WhisperImageBuild" in name]
    return [event["message"] for name in names for event in logs.filter_log_events(logGroupName=name)["events"]]


def looks(environment: Environment) -> int:
    """How often the function has looked at whisper."""
    logs = environment.running.client("logs")
    groups = [each["logGroupName"] for each in logs.describe_log_groups()["logGroups"]]
    (group,) = [each for each in groups if "Watcher" in each]
    lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    return sum("'project'" in line and "Whisper" in line for line in lines)


def a_day_passes(environment: Environment) -> None:
    """The time of the deployed rule has come."""
    stack = environment.running.client("cloudformation").describe_stack_resources(StackName="dev-Images")
    rules = [each for each in stack["StackResources"] if each["ResourceType"] == "AWS::Events::Rule"]
    (rule,) = [each["PhysicalResourceId"] for each in rules if "Daily" in each["LogicalResourceId"]]
    control(environment.running, f"rules/{rule}/trigger")


def base_moves(environment: Environment) -> None:
    """The published image below whisper is another one, under its old tag."""
    repository, tag = parameter(environment, "images/whisper/base").split(":")
    control(environment.running, f"base-images/{repository}/{tag}/republish")


def announce(environment: Environment) -> None:
    """AWS announces a new image, with a message that says nothing true about ours."""
    sns = boto3.client(
        "sns",
        region_name="us-west-2",
        endpoint_url=environment.running.endpoint_url,
        aws_access_key_id="767397762724",
        aws_secret_access_key="aws",
    )
    sns.publish(TopicArn="arn:aws:sns:us-west-2:767397762724:dlc-updates", Message='{"images": [{"project": "x"}]}')


def find(environment: Environment, digest: str, *names: str) -> None:
    """Lets the scan of dev's image find these, all critical."""
    repository = quote("hf-sagemaker/dev/whisper", safe="")
    data = json.dumps({"findings": [{"name": name, "severity": "CRITICAL"} for name in names]}).encode()
    url = f"{environment.running.endpoint_url}/_localcloud/images/{repository}/{digest}/findings"
    urllib.request.urlopen(urllib.request.Request(url, method="POST", data=data), timeout=10).close()


def promote(prod: Environment, image: str, *options: str) -> tuple[int, str]:
    """Exit code, and what was said."""
    profiles = ("--from-profile", "dev", "--to-profile", "prod")
    done = prod.hfsm("images", "promote", image, "--from", "dev", "--to", "prod", *profiles, "--yes", *options)
    return done.returncode, done.stdout + done.stderr


def said_in_prod(prod: Environment, name: str) -> str:
    """A parameter of prod's whisper."""
    ssm = prod.running.client("ssm", PROD)
    return str(ssm.get_parameter(Name=f"/hf-sagemaker/prod/images/whisper/{name}")["Parameter"]["Value"])
