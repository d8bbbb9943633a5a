"""`hfsm prices update`, against answers of the Price List API as AWS documents them; `hfsm prices monthly`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.stub import Stubber

from hfsm import price_update

SETTINGS = """\
# The environment to try things in.
region: eu-west-1

training:
  job_types:
    - name: text-classification   # the only one
      instance_type: ml.g5.xlarge
      allowed_instance_types: [ml.p5.48xlarge]
inference:
  endpoints:
    - {name: sentiment, instance_type: ml.g4dn.xlarge}
"""
PRICES = """
prices:
  as_of: 2026-01-01
  per_hour:
    ml.g5.xlarge: 1.25
    ml.m5.xlarge: 0.3
"""


def _product(usage: str, *dollars: str, unit: str = "Hrs", **attributes: str) -> str:
    """One entry of PriceList, which is JSON in a text."""
    dimensions = {
        f"SKU.JRTCKXETXF.{i}": {
            "unit": unit,
            "endRange": "Inf",
            "description": f"${amount} per hour",
            "appliesTo": [],
            "rateCode": f"SKU.JRTCKXETXF.{i}",
            "beginRange": "0",
            "pricePerUnit": {"USD": amount},
        }
        for i, amount in enumerate(dollars)
    }
    return json.dumps(
        {
            "product": {
                "productFamily": "ML Instance",
                "attributes": {
                    "servicecode": "AmazonSageMaker",
                    "regionCode": "eu-west-1",
                    "operation": "RunInstance",
                    "usagetype": usage,
                    **attributes,
                },
                "sku": "SKU",
            },
            "serviceCode": "AmazonSageMaker",
            "terms": {
                "OnDemand": {
                    "SKU.JRTCKXETXF": {
                        "priceDimensions": dimensions,
                        "sku": "SKU",
                        "effectiveDate": "2026-11-01T00:00:00Z",
                        "offerTermCode": "JRTCKXETXF",
                        "termAttributes": {},
                    }
                }
            },
            "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
        }
    )


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets AWS list these products, a page each."""

    def make(*pages: list[str]) -> None:
        client = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        stubber = Stubber(client)
        asked = {
            "ServiceCode": "AmazonSageMaker",
            "FormatVersion": "aws_v1",
            "Filters": [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "eu-west-1"}],
        }
        for i, products in enumerate(pages):
            last = i == len(pages) - 1
            answer = {"FormatVersion": "aws_v1", "PriceList": products, **({} if last else {"NextToken": str(i)})}
            stubber.add_response("get_products", answer, {**asked, **({"NextToken": str(i - 1)} if i else {})})
        stubber.activate()
        monkeypatch.setattr(price_update, "client", lambda profile: client)

    return make


def _file(folder: Path, text: str) -> Path:
    file = folder / "dev.yaml"
    file.write_text(text)
    return file


def test_prices_are_written_with_the_day_and_the_rest_stays_as_it_is(hfsm: Any, listed: Any, tmp_path: Path) -> None:
    # Given settings with a price of their own, and AWS's list in two pages
    file = _file(tmp_path, SETTINGS + PRICES)
    listed(
        [_product("EU-Train:ml.g5.xlarge", "1.57"), _product("EU-Host:ml.g4dn.xlarge", "0.821")],
        [
            _product("EU-Train:ml.m5.xlarge", "0.257"),
            _product("EU-Train:ml.m5.large", "0.128"),  # nobody here runs on it
            _product("EU-Notebk:ml.g5.xlarge", "9"),
            _product("EU-Train:ml.p5.48xlarge", "55", "66"),  # two prices for the same
            _product("EU-Train:ml.p5.48xlarge-Spot", "7"),
            _product("EU-Host:VolumeUsage.gp3", "0.1", unit="GB-Mo"),
        ],
    )
    # When they are brought up to date
    result = hfsm("prices", "update", "--environments", tmp_path, "--yes")
    # Then what changes is said
    assert result.code == 0, result.err
    assert "per_hour ml.g5.xlarge: 1.25 → 1.57" in result.out
    assert "hosting_per_hour ml.g4dn.xlarge: 0.821 (new)" in result.out
    assert "AWS lists no price for ml.p5.48xlarge (per_hour) in eu-west-1" in result.out
    # And the file has it, with its comments
    text = file.read_text()
    assert text.startswith(SETTINGS)
    prices = yaml.safe_load(text)["prices"]
    assert prices["per_hour"] == {"ml.g5.xlarge": 1.57, "ml.m5.xlarge": 0.257}
    assert prices["hosting_per_hour"] == {"ml.g4dn.xlarge": 0.821}
    assert prices["as_of"].year >= 2026


def test_settings_without_prices_get_some(hfsm: Any, listed: Any, tmp_path: Path) -> None:
    file = _file(tmp_path, SETTINGS)
    listed([_product("EU-Train:ml.g5.xlarge", "1.57")])
    assert hfsm("prices", "update", "--environments", tmp_path, "--yes").code == 0
    assert file.read_text().startswith(SETTINGS)
    assert "1.57" in hfsm("prices", "--environments", tmp_path).out


def test_comments_within_the_prices_are_never_lost(hfsm: Any, listed: Any, tmp_path: Path) -> None:
    text = SETTINGS + PRICES.replace("0.3", "0.3  # by contract")
    file = _file(tmp_path, text)
    listed([_product("EU-Train:ml.g5.xlarge", "1.57")])
    # When they are brought up to date; then the file is as it was, and what it should be is printed
    result = hfsm("prices", "update", "--environments", tmp_path, "--yes")
    assert result.code == 1
    assert file.read_text() == text
    assert "  per_hour:\n    ml.g5.xlarge: 1.57\n" in result.out


def test_nothing_is_written_unless_somebody_says_yes(
    hfsm: Any, listed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _file(tmp_path, SETTINGS)
    listed([_product("EU-Train:ml.g5.xlarge", "1.57")])
    monkeypatch.setattr("typer.confirm", lambda question: False)
    assert hfsm("prices", "update", "--environments", tmp_path).code == 1
    assert file.read_text() == SETTINGS


def test_a_region_that_the_list_does_not_have_is_told(hfsm: Any, listed: Any, tmp_path: Path) -> None:
    _file(tmp_path, SETTINGS)
    listed([])
    result = hfsm("prices", "update", "--environments", tmp_path, "--yes")
    assert result.code == 1
    assert "AWS's price list has no SageMaker instances for eu-west-1" in result.err


def test_a_partition_with_a_price_list_of_its_own_is_told(hfsm: Any, listed: Any, tmp_path: Path) -> None:
    _file(tmp_path, SETTINGS.replace("eu-west-1", "cn-north-1"))
    listed([])
    result = hfsm("prices", "update", "--environments", tmp_path, "--yes")
    assert result.code == 2
    assert "no prices in US dollars for cn-north-1" in result.err


def _template(folder: Path, **resources: Any) -> None:
    stage = folder / "assembly-dev"
    stage.mkdir()
    (stage / "devNetwork.template.json").write_text(json.dumps({"Resources": resources}))


def test_a_month_has_a_line_for_what_stands_and_says_what_it_does_not_know(hfsm: Any, tmp_path: Path) -> None:
    # Given templates of an environment of us-east-1 that names the price of one of its endpoints' instances
    hosting = "prices: {as_of: 2026-10-01, hosting_per_hour: {ml.g4dn.xlarge: 0.5}}\n"
    _file(tmp_path, SETTINGS.replace("eu-west-1", "us-east-1") + hosting)
    variants = [
        {"InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 2},
        {"InstanceType": "ml.p5.48xlarge", "InitialInstanceCount": 1},
    ]
    _template(
        tmp_path,
        S3={"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Gateway"}},
        Logs={"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Interface", "SubnetIds": [1, 2]}},
        Key={"Type": "AWS::KMS::Key"},
        Nat={"Type": "AWS::EC2::NatGateway"},
        Alarm={"Type": "AWS::CloudWatch::Alarm"},
        Endpoint={"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": variants}},
    )
    # When a month is asked for
    result = hfsm("prices", "monthly", "--environments", tmp_path, "--templates", tmp_path)
    # Then each line says how many, what it costs, and where that is from
    assert result.code == 0, result.err
    lines = {cells[1].strip(): [cell.strip() for cell in cells[2:]] for cells in _cells(result.out)}
    assert lines["interface endpoint in one zone"][:3] == ["2", "7.30", "14.60"]
    assert lines["NAT gateway with its public address"][:3] == ["1", "36.50", "36.50"]
    assert lines["KMS key"][:3] == ["1", "1.00", "1.00"]
    assert lines["instance of an endpoint, ml.g4dn.xlarge"][:3] == ["2", "365.00", "730.00"]
    assert "2026-10-01" in lines["instance of an endpoint, ml.g4dn.xlarge"][3]
    assert lines["instance of an endpoint, ml.p5.48xlarge"][1:3] == ["?", "?"]
    assert "At least 782.10 a month, without: alarm, instance of an endpoint, ml.p5.48xlarge." in result.out


def _cells(out: str) -> list[list[str]]:
    return [line.split("│") for line in out.splitlines() if line.count("│") == 6]


def test_a_region_without_prices_has_no_sum_that_is_wrong(hfsm: Any, tmp_path: Path) -> None:
    _file(tmp_path, SETTINGS)
    _template(tmp_path, Key={"Type": "AWS::KMS::Key"})
    out = hfsm("prices", "monthly", "--environments", tmp_path, "--templates", tmp_path).out
    assert "At least 0.00 a month, without: KMS key." in out


def test_templates_that_are_not_there_are_told(hfsm: Any, tmp_path: Path) -> None:
    _file(tmp_path, SETTINGS)
    result = hfsm("prices", "monthly", "--environments", tmp_path, "--templates", tmp_path)
    assert result.code == 2
    assert "`make synth` writes them" in result.err
