"""What a channel brings that names its objects in a manifest."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from localcloud.sagemaker.s3 import NoSuchDataError, download_manifest


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="data")
        for name in ("a", "b", "c/d", "unlisted"):
            client.put_object(Bucket="data", Key=f"all/{name}", Body=name.encode())
        manifest = [{"prefix": "s3://data/all/"}, "a", "b", "c/d"]
        client.put_object(Bucket="data", Key="manifest.json", Body=json.dumps(manifest))
        yield client


@pytest.mark.parametrize(("share", "names"), [((0, 1), {"a", "b", "c/d"}), ((0, 2), {"a", "c/d"}), ((1, 2), {"b"})])
def test_a_manifest_brings_what_it_names_or_each_instance_its_share(
    s3: Any, tmp_path: Path, share: tuple[int, int], names: set[str]
) -> None:
    assert download_manifest(s3, "s3://data/manifest.json", tmp_path / "channel", share) == 3
    files = [path for path in (tmp_path / "channel").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "channel").as_posix() for path in files} == names


def test_what_is_no_manifest_is_said(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(NoSuchDataError, match="is no manifest"):
        download_manifest(s3, "s3://data/all/a", tmp_path)
