"""`hfsm report` and `hfsm prices`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfsm import report as reports


def _put(aws: Any, name: str, **report: Any) -> None:
    body = json.dumps({"schema_version": "1", **report}).encode()
    aws.client("s3").put_object(Bucket="dev-models", Key=f"reports/text-classification/{name}.json", Body=body)


def test_a_report_is_found_by_name_or_arn_with_those_of_redrives(hfsm: Any, deploy: Any) -> None:
    aws = deploy()
    _put(aws, "sentiment-1", text="It failed.")
    _put(aws, "sentiment-1-redrive-1", text="It succeeded.")
    for execution in ("sentiment-1", "arn:aws:states:us-east-1:123456789012:execution:dev-training:sentiment-1"):
        result = hfsm("report", execution)
        assert (result.code, result.out) == (0, "It failed.\n\nIt succeeded.\n")
    assert [each["text"] for each in json.loads(hfsm("report", "sentiment-1", "--json").out)][1] == "It succeeded."


def test_a_run_without_a_report_is_told(hfsm: Any, deploy: Any) -> None:
    deploy()
    result = hfsm("report", "sentiment-2")
    assert result.code == 1
    assert "There is no report of a run sentiment-2 in dev" in result.err


def test_training_ends_with_the_report(
    hfsm: Any, deploy: Any, request_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an environment that reports
    deploy()
    monkeypatch.setattr(reports, "_of", lambda job_type, name, parameters: [{"text": f"{job_type}: {name} cost 3 USD"}])
    # When something is trained
    result = hfsm("train", request_file())
    # Then what it cost is the last that is said
    assert result.code == 0, result.err
    assert "text-classification: sentiment-" in result.out.splitlines()[-1]
    assert result.out.endswith("cost 3 USD\n")


def test_prices_show_their_date_and_where_they_come_from(hfsm: Any, tmp_path: Path) -> None:
    settings = "region: us-east-1\nprices:\n  as_of: 2026-10-01\n  per_hour: {ml.g5.xlarge: 1.25}\n"
    (tmp_path / "dev.yaml").write_text(settings)
    result = hfsm("prices", "--environments", tmp_path)
    assert result.code == 0
    (own,) = [line.split("│") for line in result.out.splitlines() if "ml.g5.xlarge" in line]
    assert [cell.strip() for cell in own[1:5]] == ["ml.g5.xlarge", "1.25", "2026-10-01", "settings"]
    assert "default" in result.out


def test_a_region_without_prices_says_what_to_do(hfsm: Any, tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text("region: eu-west-1\n")
    assert "Add prices.per_hour to the settings" in hfsm("prices", "--environments", tmp_path).out
    assert "none.yaml cannot be read" in hfsm("prices", "--env", "none", "--environments", tmp_path).err
