"""What an environment may cost, in its settings, and the stack that watches it."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from stacks.cost_settings import AnomalySettings, BudgetSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
MONITOR = "arn:aws:ce::123456789012:anomalymonitor/0a1b"
TO = {"emails": ["ml@example.com"]}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"monthly_usd": 500}, "must have emails, or a topic_arn"),
        ({"monthly_usd": 0, **TO}, "greater than 0"),
        ({"monthly_usd": 500, "emails": ["nobody"]}, "should match pattern"),
        ({"monthly_usd": 500, **TO, "thresholds": [80, 80]}, "must name each threshold once"),
        ({"monthly_usd": 500, **TO, "thresholds": [1, 2, 3, 4, 5]}, "at most 4 items"),
    ],
)
def test_what_is_no_budget_is_refused(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BudgetSettings(**said)
    assert words in str(caught.value)


def test_a_monitor_is_of_three_kinds() -> None:
    for monitor in ("services", "tag", MONITOR):
        assert AnomalySettings(monitor=monitor, emails=TO["emails"]).monitor == monitor
    with pytest.raises(ValidationError, match="monitor"):
        AnomalySettings(monitor="accounts", emails=TO["emails"])


def test_a_monitor_of_another_account_is_refused(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["costs"] = {"anomalies": {"monitor": MONITOR.replace("123456789012", "210987654321"), **TO}}
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(SettingsError) as caught:
        load_environments(tmp_path)
    assert "must be a monitor of this environment's account, 123456789012" in "\n".join(caught.value.problems)


def test_an_environment_is_watched_as_its_settings_say(
    synthesise: Callable[[Any], dict[str, Any]], served: dict[str, Any]
) -> None:
    # Given dev as shipped, and dev with a budget
    watched = deepcopy(served)
    watched["costs"] = {"budget": {"monthly_usd": 300, **TO}, "anomalies": dict(TO)}
    shipped, asked = (
        {each["Type"] for each in synthesise({"dev": content})["dev-Observability"]["Resources"].values()}
        for content in (served, watched)
    )
    # Then both have a dashboard, and the second is watched too
    assert "AWS::CloudWatch::Dashboard" in shipped
    assert "AWS::Budgets::Budget" not in shipped
    assert asked - shipped == {"AWS::Budgets::Budget", "AWS::CE::AnomalyMonitor", "AWS::CE::AnomalySubscription"}
