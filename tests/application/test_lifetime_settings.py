"""Lifetimes in the settings: which endpoints may end, and when."""

import pytest
from pydantic import ValidationError

from hf_sagemaker.endpoint_parts import EndpointMode
from stacks.lifetime_settings import LifetimeSettings, can_be_stopped, lifetime_problems

PATH = "inference.endpoints.0.lifetime"
SHORT = LifetimeSettings(hours=72, idle_hours=8)


@pytest.mark.parametrize("mode", ["real-time", "multi-model"])
def test_endpoints_that_cost_money_while_idle_may_end(mode: EndpointMode) -> None:
    assert can_be_stopped(mode)
    assert lifetime_problems(PATH, SHORT, mode, disposable=True) == []


def test_never_where_others_rely_on_them() -> None:
    ((path, value, problem),) = lifetime_problems(PATH, SHORT, "real-time", disposable=False)
    assert (path, value) == (PATH, {"hours": 72, "idle_hours": 8})
    assert "only endpoints of an environment with `disposable: true` end" in problem


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("serverless", "costs nothing between requests"),
        ("asynchronous", "`min_instances: 0`"),
        ("components", "`min_copies: 0`"),
    ],
)
def test_a_mode_that_needs_no_end_is_told_what_to_do_instead(mode: EndpointMode, words: str) -> None:
    ((_, _, problem),) = lifetime_problems(PATH, SHORT, mode, disposable=True)
    assert words in problem
    assert not can_be_stopped(mode)


def test_without_a_lifetime_there_is_no_problem() -> None:
    assert lifetime_problems(PATH, None, "serverless", disposable=False) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "must say hours (4 to 2160), idle_hours (2 to 336), or both"),
        ({"hours": 3}, "greater than or equal to 4"),
        ({"idle_hours": 337}, "less than or equal to 336"),
    ],
)
def test_what_is_no_lifetime_is_refused(said: dict[str, int], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        LifetimeSettings(**said)
    assert words in str(caught.value)
