"""The environments of tests/environments, deployed together to one embedded AWS, and what a reader asks of them."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.local.embedded_aws import REPOSITORY, RunningLocalCloud
from tests.local.test_platform_cdk import CLI, environment_with_node

SETTINGS = REPOSITORY / "tests" / "environments"
MANAGEMENT_ACCOUNT = "111122223333"
REGION = "us-east-1"


@dataclass
class Foundation:
    """settings: of each environment, as it was deployed, by its name. written: what the CLI said."""

    running: RunningLocalCloud
    settings: dict[str, dict[str, Any]]
    written: str = ""
    _resources: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def client(self, environment: str, service: str) -> Any:
        """A boto3 client of the account that the environment is in."""
        return self.running.client(service, self.settings[environment]["account"])

    def resources(self, environment: str, stack: str, type_name: str) -> dict[str, str]:
        """Physical ids of a stack's resources of one type, by logical id."""
        name = f"{environment}-{stack}"
        if name not in self._resources:
            found = self.client(environment, "cloudformation").describe_stack_resources(StackName=name)
            self._resources[name] = found["StackResources"]
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in self._resources[name]
            if each["ResourceType"] == type_name
        }

    def all_of(self, environment: str, type_name: str) -> dict[str, str]:
        """The same, of every stack of the environment."""
        # The settings name no model, and so there are no stacks of endpoints.
        stacks = ("Guardrails", "Network", "Data", "Images", "Training", "Inference")
        found: dict[str, str] = {}
        for stack in stacks:
            of_stack = self.resources(environment, stack, type_name)
            found |= {f"{stack}.{name}": physical for name, physical in of_stack.items()}
        return found

    def parameter(self, environment: str, name: str) -> str:
        """What the environment publishes under this name."""
        ssm = self.client(environment, "ssm")
        return str(ssm.get_parameter(Name=f"/hf-sagemaker/{environment}/{name}")["Parameter"]["Value"])


def deploy(running: RunningLocalCloud, folder: Path) -> Foundation:
    """Bootstraps the accounts, and deploys every environment and the organisation with one `cdk deploy`."""
    settings = _settled(running, folder / "environments")
    accounts = {content["account"] for content in settings.values()} | {MANAGEMENT_ACCOUNT}
    out, context = str(folder / "cdk.out"), f"environments={folder / 'environments'}"
    first = [_cdk(running, "bootstrap", "--app", "", f"aws://{each}/{REGION}", key_id=each) for each in accounts]
    first.append(_cdk(running, "synth", "--quiet", "--output", out, "-c", context))
    for process in first:
        _ended(process)
    everything = ("--app", out, "*/*", "--concurrency", "6", "--require-approval", "never", "--method", "direct")
    written = _ended(_cdk(running, "deploy", *everything))
    return Foundation(running, settings, written)


def _settled(running: RunningLocalCloud, folder: Path) -> dict[str, dict[str, Any]]:
    """Writes the settings to the folder, with the ids of what the team has already in place of the written ones."""
    folder.mkdir(parents=True)
    ids = _what_the_team_has(running)
    for file in SETTINGS.glob("*.yaml"):
        text = file.read_text()
        for written, real in ids.items():
            text = text.replace(written, real)
        content = yaml.safe_load(text)
        for image in content.get("images", []):
            # These tests run no image, and would wait for many builds.
            image["rebuild"] = {"on_change": False}
        (folder / file.name).write_text(yaml.safe_dump(content))
    files = {file.stem: file for file in folder.glob("*.yaml") if file.stem != "organization"}
    return {name: yaml.safe_load(file.read_text()) for name, file in sorted(files.items())}


def _what_the_team_has(running: RunningLocalCloud) -> dict[str, str]:
    """A VPC in each account, endpoints and groups in the second, a boundary: real ids by those in the files."""
    dev, prod = running.client("ec2", "123456789012"), running.client("ec2", "210987654321")
    ids: dict[str, str] = {}
    for ec2, vpc, subnets in ((dev, "01", ("01", "02")), (prod, "02", ("03", "04"))):
        ids[f"vpc-0aaaaaaaaaaaaaa{vpc}"] = vpc_id = ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
        table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
        ids.setdefault("rtb-0aaaaaaaaaaaaaa01", table)
        for i, (subnet, zone) in enumerate(zip(subnets, "ab", strict=True)):
            made = ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.90.{i}.0/24", AvailabilityZone=f"{REGION}{zone}")
            ids[f"subnet-0aaaaaaaaaaaaaa{subnet}"] = subnet_id = made["Subnet"]["SubnetId"]
            ec2.associate_route_table(RouteTableId=table, SubnetId=subnet_id)
    for number, name in (("01", "jobs"), ("02", "endpoints")):
        group = prod.create_security_group(VpcId=ids["vpc-0aaaaaaaaaaaaaa02"], GroupName=name, Description=name)
        ids[f"sg-0aaaaaaaaaaaaaa{number}"] = group["GroupId"]
    endpoint = prod.create_vpc_endpoint(
        VpcId=ids["vpc-0aaaaaaaaaaaaaa02"], ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway"
    )
    ids["vpce-0aaaaaaaaaaaaaa01"] = endpoint["VpcEndpoint"]["VpcEndpointId"]
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    running.client("iam", "210987654321").create_policy(
        Path="/organization/", PolicyName="MachineLearningBoundary", PolicyDocument=json.dumps(anything)
    )
    return ids


def _cdk(running: RunningLocalCloud, *arguments: str, key_id: str = "test") -> subprocess.Popen[str]:
    environment = environment_with_node() | {
        "AWS_ENDPOINT_URL": running.endpoint_url,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_VALIDATION": "false",  # tests/compliance has it on
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "CI": "true",
    }
    return subprocess.Popen(
        [str(CLI), *arguments, "--no-notices"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _ended(process: subprocess.Popen[str]) -> str:
    written, _ = process.communicate(timeout=240)
    assert process.returncode == 0, f"{process.args}\n{written[-8000:]}"
    return written
