"""The function that watches images, called with what its rules call it with, on the embedded AWS."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.local.built_image import Built, built_image
from tests.local.compute_projects import Projects


@pytest.fixture(scope="module")
def projects(localcloud: Any) -> Projects:
    return Projects(localcloud)


@pytest.fixture
def image(localcloud: Any, projects: Projects) -> Built:
    return built_image(localcloud, projects)


def test_a_moved_base_starts_one_build_and_no_second_one(image: Built) -> None:
    # Given an image that nothing has changed since
    image.build()
    before = image.digest()
    image.look()
    assert image.builds() == 1
    # When its base moves, and the function looks, and looks again
    image.move_base()
    assert "its base is" in image.look()["reasons"][0]
    image.builds()
    image.look()
    # Then it was built once more, on the new base
    assert image.builds() == 2
    assert image.digest() != before
    assert image.says("blocked") == "none"


def test_who_does_not_want_new_bases_gets_none(image: Built) -> None:
    image.build()
    image.move_base()
    image.look(on_new_base=False)
    assert image.builds() == 1


def test_what_a_deployment_wants_is_built_once(image: Built) -> None:
    # Given an image that a deployment wants and nobody has built
    # When the function looks, and looks again while the build runs, and when it has ended
    assert "the settings lead to inputs" in image.look()["reasons"][0]
    assert image.look()["reasons"] == []
    assert image.builds() == 1
    assert image.look()["reasons"] == []
    # Then one build was started
    assert image.builds() == 1
    assert image.digest().startswith(f"{image.repository_uri}@sha256:")


def test_who_builds_by_hand_gets_no_build(image: Built) -> None:
    image.look(on_change=False)
    assert image.builds() == 0


def test_a_critical_finding_blocks_and_starts_one_build(image: Built) -> None:
    # Given an image in which a scan finds something critical
    image.build()
    image.find("CVE-2026-1")
    # When the function looks twice
    image.look()
    image.builds()
    image.find("CVE-2026-1")
    image.look()
    # Then the image is blocked, and was built again once, under a tag of its own
    assert image.says("blocked") == "CVE-2026-1"
    assert image.builds() == 2
    assert image.says("rebuild") == f"{datetime.now(UTC):%Y%m%d}"
    # And it is free again when the finding is gone
    image.find()
    image.look()
    assert image.says("blocked") == "none"


def test_an_accepted_finding_blocks_again_when_its_day_is_over(image: Built) -> None:
    image.build()
    image.find("CVE-2026-2")
    today = datetime.now(UTC).date()

    def accepted(until_day: Any) -> dict[str, str]:
        return {"name": "CVE-2026-2", "until": until_day.isoformat(), "reason": "not reachable from our code"}

    image.look(accepted=[accepted(today)])
    assert (image.says("blocked"), image.builds()) == ("none", 1)
    image.look(accepted=[accepted(today - timedelta(days=1))])
    assert (image.says("blocked"), image.builds()) == ("CVE-2026-2", 2)
