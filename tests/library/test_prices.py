"""Prices: a dated default of one region, and what a team knows better."""

from datetime import date

from hf_sagemaker import prices
from hf_sagemaker.instance_types import names


def test_defaults_are_dated_and_of_instances_that_train() -> None:
    table = prices.price_table("us-east-1")
    assert set(table) <= set(names("training"))
    for price in table.values():
        assert 0 < price.per_hour < 100
        assert date.fromisoformat(price.as_of) <= date(2100, 1, 1)


def test_another_region_has_no_defaults() -> None:
    assert prices.price_table("eu-west-1") == {}


def test_a_teams_own_price_stands_over_the_default() -> None:
    table = prices.price_table("us-east-1", {"ml.g5.xlarge": 1.0, "ml.p5.48xlarge": 60.0}, "2026-10-01")
    assert table["ml.g5.xlarge"] == prices.Price(per_hour=1.0, as_of="2026-10-01", source=prices.SETTINGS)
    assert table["ml.p5.48xlarge"].per_hour == 60.0
    assert table["ml.g4dn.xlarge"].source == prices.DEFAULT
