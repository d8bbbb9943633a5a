"""Controls whose resource comes with later work: these and no others find nothing to judge."""

import pytest

from hf_sagemaker.controls.catalog import CONTROLS
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.verdict import verdict

LATER = {32: "Delivery", 52: "Endpoints", 83: "Delivery"}


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_in_a_full_environment_all_others_find_something(
    environment: str, full_environments: dict[str, Templates]
) -> None:
    # A check that no longer recognises what it judges would call it something that comes later
    found = {c.number: c.comes_with for c in CONTROLS if verdict(c, full_environments[environment]).is_empty}
    assert found == LATER
