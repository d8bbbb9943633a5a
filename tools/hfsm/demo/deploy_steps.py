"""Steps of the demo that start the embedded AWS and deploy to it by the real CDK CLI."""

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import yaml

from hfsm import local
from hfsm.demo.commands import run_command, seconds_since, tool_environment
from hfsm.demo.demo_run import ENDPOINT, ENVIRONMENT, DemoRun
from hfsm.demo.report import StackReport
from hfsm.demo.steps import StepLog
from hfsm.errors import OperatorError
from hfsm.processes import free_port, kill, leftovers

# What Hugging Face's notebook 05 reports: 262 s billed for 874 s trained. On AWS the market decides.
SPOT_PRICE_RATIO = 0.30
# cdk prints `dev/Network (dev-Network): deploying... [1/5]` and then ` ✅  dev/Network (dev-Network)`.
_DEPLOYING = re.compile(r"^\s*(?:\S+ \()?([\w-]+)\)?: deploying")
_DEPLOYED = re.compile(r"✅\s+(?:\S+ \()?([\w-]+)")


def start_cloud(run: DemoRun, log: StepLog) -> str:
    """Start an embedded AWS of the demo's own, on a free port."""
    # A demo that was killed could not clean up.
    kill(leftovers(run.paths.state))
    shutil.rmtree(run.paths.state, ignore_errors=True)
    daemon, _ = local.up(
        free_port(),
        run.paths.state,
        image_store=run.paths.images,
        options=("--spot-price-ratio", str(SPOT_PRICE_RATIO)),
    )
    run.endpoint_url = daemon.endpoint_url
    log.line(f"log of the embedded AWS: {local.log_file(run.paths.state)}")
    return f"{daemon.endpoint_url}, its log {local.log_file(run.paths.state)}"


def stop_cloud(run: DemoRun, log: StepLog) -> str:
    """Stop it, and everything that it started."""
    local.down(run.paths.state)
    left = leftovers(run.paths.state)
    if left:
        raise OperatorError(f"Processes of the demo are still there: {', '.join(str(p.pid) for p in left)}.")
    return "no process is left"


def bootstrap(run: DemoRun, log: StepLog) -> str:
    """`cdk bootstrap`, as a new account needs it once."""
    target = f"aws://{run.account}/{run.region}"
    _cdk(run, log, "bootstrap", "--app", "", target)
    return target


def synth(run: DemoRun, log: StepLog) -> str:
    """`cdk synth`, once: what is deployed next is this folder, byte for byte."""
    return _synth(run, log)


def deploy(run: DemoRun, log: StepLog) -> str:
    """`cdk deploy` of the whole environment."""
    seconds = _deploy(run, log)
    run.stacks = [
        StackReport(name=name, resources=len(_resources(run, name)), seconds=duration)
        for name, duration in seconds.items()
    ]
    run.unsupported = unsupported_types(run)
    if run.unsupported:
        raise OperatorError(f"The embedded AWS left out resources of these types: {', '.join(run.unsupported)}.")
    return f"{len(run.stacks)} stacks, {sum(stack.resources for stack in run.stacks)} resources"


def deploy_endpoint(run: DemoRun, log: StepLog) -> str:
    """Deploy again with settings that name the model: nothing else changes."""
    if run.registry is None:
        raise OperatorError("No model was registered, so there is nothing to serve.")
    name_model(run.paths.root / "environments", run.paths.environments, run.registry.package_arn)
    log.line(f"settings with the model: {run.paths.environments / (ENVIRONMENT + '.yaml')}")
    _synth(run, log, "--context", f"environments={run.paths.environments}")
    _deploy(run, log)
    return f"environments/{ENVIRONMENT}.yaml: inference.endpoints[{ENDPOINT}].model"


def name_model(settings: Path, copy: Path, package_arn: str) -> None:
    """Copy the demo environment's settings and let its endpoint serve a model package.

    Other environments are left out: nothing of them is deployed, and their synthesis takes as long.
    """
    shutil.rmtree(copy, ignore_errors=True)
    # What settings name beside them comes along: requirements, Dockerfiles, the pins of images.
    shutil.copytree(settings, copy, ignore=shutil.ignore_patterns("*.yaml"))
    file = f"{ENVIRONMENT}.yaml"
    document: Any = yaml.safe_load((settings / file).read_text(encoding="utf-8"))
    endpoints = document.get("inference", {}).get("endpoints", [])
    found = [endpoint for endpoint in endpoints if endpoint.get("name") == ENDPOINT]
    if not found:
        raise OperatorError(
            f"environments/{ENVIRONMENT}.yaml has no endpoint named {ENDPOINT!r} under inference.endpoints; "
            "the demo serves its model there. Put it back."
        )
    found[0]["model"] = {"model_package": package_arn}
    (copy / file).write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _synth(run: DemoRun, log: StepLog, *arguments: str) -> str:
    shutil.rmtree(run.paths.assembly, ignore_errors=True)
    _cdk(run, log, "synth", "--quiet", "--output", str(run.paths.assembly), *arguments)
    return f"{len(list(run.paths.assembly.rglob('*.template.json')))} templates in {run.paths.assembly}"


def _deploy(run: DemoRun, log: StepLog) -> dict[str, float]:
    """Seconds per stack, in the order of their end."""
    started: dict[str, float] = {}
    seconds: dict[str, float] = {}

    def watch(line: str) -> None:
        if begin := _DEPLOYING.search(line):
            started[begin[1]] = time.monotonic()
        elif (end := _DEPLOYED.search(line)) and end[1] in started:
            seconds[end[1]] = seconds_since(started[end[1]])

    arguments = ["--app", str(run.paths.assembly), f"{ENVIRONMENT}/*", "--require-approval", "never"]
    # Change sets lose exports on the embedded AWS; a direct update is what it can do.
    _cdk(run, log, "deploy", *arguments, "--method", "direct", "--progress", "events", watch=watch)
    return seconds


def _cdk(run: DemoRun, log: StepLog, *arguments: str, watch: Any = None) -> None:
    cli = run.paths.root / "node_modules" / ".bin" / "cdk"
    if not cli.exists():
        raise OperatorError(f"The CDK CLI is not installed ({cli}). `make demo` installs it, or `npm ci`.")
    assert run.endpoint_url is not None
    environment = tool_environment(run.endpoint_url, run.region)
    run_command([str(cli), *arguments, "--no-notices"], log, environment, run.paths.root, watch)


def _resources(run: DemoRun, stack: str) -> set[str]:
    """Logical ids of what a stack really has."""
    pages = run.cloud.client("cloudformation").get_paginator("list_stack_resources")
    return {
        resource["LogicalResourceId"]
        for page in pages.paginate(StackName=stack)
        for resource in page["StackResourceSummaries"]
    }


def unsupported_types(run: DemoRun) -> list[str]:
    """Types of resources that stand in a deployed template without being in its stack: skipped without a word."""
    missing: set[str] = set()
    for stack in run.stacks:
        real = _resources(run, stack.name)
        for path in run.paths.assembly.rglob("*.template.json"):
            if stack_name(path) != stack.name:
                continue
            resources = json.loads(path.read_text(encoding="utf-8")).get("Resources", {})
            # A condition may leave a resource out rightly.
            missing |= {
                body["Type"] for name, body in resources.items() if name not in real and "Condition" not in body
            }
    return sorted(missing)


def stack_name(template: Path) -> str | None:
    """The CloudFormation name of the stack of a template, as the assembly's manifest beside it says."""
    manifest = json.loads((template.parent / "manifest.json").read_text(encoding="utf-8"))
    for name, artifact in manifest["artifacts"].items():
        properties = artifact.get("properties", {})
        if artifact["type"] == "aws:cloudformation:stack" and properties.get("templateFile") == template.name:
            return str(properties.get("stackName", name))
    return None
