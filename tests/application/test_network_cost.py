"""What docs/network.md says that a network costs, against the templates that it would be paid for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, RemovalPolicy, Stage
from aws_cdk.assertions import Template

from hf_sagemaker.prices import HOURS_PER_MONTH, standing_prices
from hfsm import monthly_cost, price_list
from stacks.ml_environment import MlEnvironment
from stacks.network_stack import NetworkStack
from stacks.settings import EnvironmentSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/network.md").read_text()
PRICE = {name: float(price) for name, price in re.findall(r"^\| ([^|`]+) \| (\d\.\d+) \|$", TEXT, re.MULTILINE)}
ROWS = re.findall(r"^\| `(\{.*?\})` \| (\d) \| (\d+) \| (\d+) \| ([\d.]+) \| (\d+) \|$", TEXT, re.MULTILINE)


def _resources(network: dict[str, Any], zones: int) -> Template:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    fields = {"availability_zones": [f"us-east-1{letter}" for letter in "abc"[:zones]]} | network
    if network.get("interface_endpoints", {}).get("owner") == "shared":
        subnets = [f"subnet-0a1b2c3{i}" for i in range(zones)]
        fields["vpc"] = {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": subnets, "s3_endpoint_id": "vpce-0a1b2c3d"}
    settings = EnvironmentSettings(**content | {"network": fields})
    assert not settings.problems()
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    stage = Stage(App(context=context, builtin_cloud_formation_validation=False), "dev")
    stack = NetworkStack(stage, "Network", environment="dev", settings=settings, removal_policy=RemovalPolicy.DESTROY)
    return Template.from_stack(stack)


def test_the_document_has_prices_and_rows() -> None:
    assert set(PRICE) == {"interface endpoint in one zone", "NAT gateway with its public address"}
    assert ROWS


@pytest.mark.parametrize(("network", "zones", "interfaces", "gateways", "hourly", "monthly"), ROWS)
def test_the_table_is_what_the_template_costs(
    network: str, zones: str, interfaces: str, gateways: str, hourly: str, monthly: str
) -> None:
    # Given the network that the row is about
    template = _resources(yaml.safe_load(network), int(zones))
    # When what is paid for is counted
    endpoints = template.find_resources("AWS::EC2::VPCEndpoint", {"Properties": {"VpcEndpointType": "Interface"}})
    paid = sum(len(endpoint["Properties"]["SubnetIds"]) for endpoint in endpoints.values())
    nat = len(template.find_resources("AWS::EC2::NatGateway"))
    cost = paid * PRICE["interface endpoint in one zone"] + nat * PRICE["NAT gateway with its public address"]
    # Then the row says so
    assert (int(interfaces), int(gateways)) == (paid, nat)
    assert float(hourly) == pytest.approx(cost)
    assert int(monthly) == round(cost * HOURS_PER_MONTH)


def test_the_document_and_the_table_of_prices_agree() -> None:
    table = standing_prices("us-east-1")
    for name, per_hour in PRICE.items():
        assert table[name].per_month == pytest.approx(per_hour * HOURS_PER_MONTH)


def test_a_month_of_a_whole_environment_is_what_its_settings_ask_for(tmp_path: Path) -> None:
    # Given an environment with an endpoint of three instances at least
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    package = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text-classification/1"
    (endpoint,) = content["inference"]["endpoints"]
    endpoint |= {"min_instances": 3, "max_instances": 4, "model": {"model_package": package}}
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = App(context=context, builtin_cloud_formation_validation=False)
    stage = MlEnvironment(app, "dev", EnvironmentSettings(**content))
    # When a month is estimated
    templates = [stack.template for stack in Stage.synth(stage).stacks]
    lines = {line.what: line for line in monthly_cost.estimate(templates, price_list.read(tmp_path, "dev"))}
    # Then the network is as the document has it, and the endpoint's instances are those that it has at least
    network = next(int(interfaces) for row, zones, interfaces, *_ in ROWS if (row, zones) == ("{}", "2"))
    assert lines["interface endpoint in one zone"].count == network
    assert lines["instance of an endpoint, ml.g4dn.xlarge"].count == 3
    assert lines["instance of an endpoint, ml.g4dn.xlarge"].total is None
    assert "NAT gateway with its public address" not in lines
    total = lines["KMS key"].total
    assert total is not None and total == lines["KMS key"].count >= 5
