"""The clock of the embedded AWS."""

from pathlib import Path

from localcloud.settings import LocalCloud


def test_a_minute_of_waiting_is_as_long_as_its_setting_says(tmp_path: Path) -> None:
    # Given an embedded AWS whose minute is two seconds long
    cloud = LocalCloud(port=1, state_dir=tmp_path, image_store=tmp_path, requirements_dir=tmp_path, minute=2)

    # Then five minutes of AWS's are ten seconds
    assert cloud.seconds(300) == 10


def test_time_is_not_shortened_unless_it_is_asked_for(tmp_path: Path) -> None:
    cloud = LocalCloud(port=1, state_dir=tmp_path, image_store=tmp_path, requirements_dir=tmp_path)

    assert cloud.seconds(300) == 300
