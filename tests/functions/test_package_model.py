"""The custom resource that prepares endpoints' models: what it refuses, what it packs, and that it does it once."""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from custom_resource import patience
from package_model import archive, logic
from package_model.logic import NotReady, Preparation

MODELS, ASSETS = "models", "assets"
COMMIT = "a" * 40
FOLDER = f"hub/team--tiny/{COMMIT}"
DIGEST = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/hf-sagemaker/dev/inference@sha256:{'0' * 64}"
FILES = {"config.json": b"{}", "model.safetensors": b"weights", "onnx/model.json": b"[]"}
CODE = {"inference.py": b"def model_fn(model_dir): ...", "words/more.py": b""}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        for bucket in (MODELS, ASSETS):
            client.create_bucket(Bucket=bucket)
        yield client


def _put(s3: Any, prefix: str, files: Mapping[str, bytes]) -> None:
    for name, body in files.items():
        s3.put_object(Bucket=MODELS, Key=prefix + name, Body=body)


def _mirror(s3: Any) -> None:
    """As the mirror leaves a model: its files, another file of nobody's, and the manifest last."""
    _put(s3, f"{FOLDER}/", {**FILES, "stray.bin": b"?"})
    listed = [{"path": path, "size": len(body), "sha256": f"of {path}"} for path, body in FILES.items()]
    _put(s3, f"{FOLDER}.json", {"": json.dumps({"files": listed}).encode()})


def _archive(s3: Any, key: str = "trained/1/model.tar.gz", files: Mapping[str, bytes] = FILES) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, body in reversed(files.items()):
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mtime, entry.uname = len(body), 1_700_000_000, "root"
            archive.addfile(entry, io.BytesIO(body))
    _put(s3, key, {"": packed.getvalue()})


def _with_code(s3: Any, code: Mapping[str, bytes] = CODE, name: str = "c0de") -> dict[str, str]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, body in code.items():
            archive.writestr(path, body)
    s3.put_object(Bucket=ASSETS, Key=f"{name}.zip", Body=packed.getvalue())
    return {"CodeBucket": ASSETS, "CodeKey": f"{name}.zip", "CodeHash": name}


def _of_hub(**others: str) -> dict[str, str]:
    return {
        "Name": f"hub/team/tiny@{COMMIT}",
        "Bucket": MODELS,
        "Key": f"{FOLDER}/",
        "Manifest": f"{FOLDER}.json",
        "Image": DIGEST,
        "ImageName": "inference",
        "TargetBucket": MODELS,
    } | others


def _of_s3(key: str, **others: str) -> dict[str, str]:
    return _of_hub(Name=key, Key=key, Manifest="") | others


def _prepare(s3: Any, properties: Mapping[str, str], milliseconds: Callable[[], int] = lambda: 900_000) -> str:
    made = Preparation(s3, milliseconds_left=milliseconds).bring_about(properties)
    assert made.data == {"Uri": made.physical_id}
    return made.physical_id


def _stored(s3: Any, prefix: str = "packages/") -> dict[str, bytes]:
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=MODELS, Prefix=prefix).get("Contents", [])]
    return {key: s3.get_object(Bucket=MODELS, Key=key)["Body"].read() for key in keys}


def _unpacked(body: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert {(entry.mtime, entry.uid, entry.uname) for entry in archive} == {(0, 0, "")}
        return [(entry.name, archive.extractfile(entry).read()) for entry in archive]  # type: ignore[union-attr]


def test_a_model_without_code_is_served_where_it_lies(s3: Any) -> None:
    _mirror(s3)
    _archive(s3)
    assert _prepare(s3, _of_hub()) == f"s3://models/{FOLDER}/"
    assert _prepare(s3, _of_s3("trained/1/model.tar.gz")) == "s3://models/trained/1/model.tar.gz"
    assert not _stored(s3)


def test_what_is_missing_is_told_at_once(s3: Any) -> None:
    # Given a model of which the mirror has brought a part, and an image that nobody has built
    _put(s3, f"{FOLDER}/", FILES)
    with pytest.raises(NotReady) as refusal:
        _prepare(s3, _of_hub(Image="none"))
    assert "Build it with `hfsm build inference`, then deploy again" in str(refusal.value)
    assert f"hub/team/tiny@{COMMIT} is not in the mirror of the Hub, or not whole" in str(refusal.value)
    assert "`hfsm mirror team/tiny`" in str(refusal.value)


@pytest.mark.parametrize("key", ["trained/2/", "trained/1/model.tar.gz"])
def test_a_place_where_nothing_lies_is_told(s3: Any, key: str) -> None:
    _archive(s3, "trained/1/model.tar.gz.old")
    with pytest.raises(NotReady, match=f"nothing lies at s3://models/{key}"):
        _prepare(s3, _of_s3(key))


def test_code_lies_beside_the_files_of_a_prefix(s3: Any) -> None:
    # Given a mirrored model and code; when it is prepared
    _mirror(s3)
    uri = _prepare(s3, _of_hub(**_with_code(s3)))
    # Then the package holds exactly both, and a record of them
    prefix = uri.removeprefix("s3://models/")
    stored = _stored(s3)
    record = json.loads(stored.pop(f"{prefix.rstrip('/')}.json"))
    assert stored == {prefix + name: body for name, body in {**FILES, **_below_code()}.items()}
    assert record["name"] == f"hub/team/tiny@{COMMIT}"
    assert record["added"] == ["code/inference.py", "code/words/more.py"]


def _below_code() -> dict[str, bytes]:
    return {f"code/{name}": body for name, body in CODE.items()}


def test_code_lies_in_an_archive_without_clock_and_owner(s3: Any) -> None:
    _archive(s3)
    uri = _prepare(s3, _of_s3("trained/1/model.tar.gz", **_with_code(s3)))
    assert uri.endswith("/model.tar.gz")
    body = _stored(s3)[uri.removeprefix("s3://models/")]
    # Model first, in its own order; code behind it, by name
    assert _unpacked(body) == [*reversed(FILES.items()), *_below_code().items()]
    assert gzip.decompress(body)


@pytest.mark.parametrize("key", ["trained/1/model.tar.gz", "sources/mine/"])
def test_the_same_model_and_code_are_the_same_package_to_the_byte(s3: Any, key: str) -> None:
    # Given a package
    _archive(s3)
    _put(s3, "sources/mine/", FILES)
    properties = _of_s3(key, **_with_code(s3))
    uri = _prepare(s3, properties)
    before = _stored(s3)
    # When it is lost and made again, then it is the same
    for stored in before:
        s3.delete_object(Bucket=MODELS, Key=stored)
    assert _prepare(s3, properties) == uri
    assert _stored(s3) == before


def test_a_package_that_is_there_is_not_made_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _mirror(s3)
    properties = _of_hub(**_with_code(s3))
    uri = _prepare(s3, properties)
    monkeypatch.setattr(logic, "copy_files", lambda *_: pytest.fail("it was made again"))
    assert _prepare(s3, properties) == uri


def test_other_code_or_another_model_is_another_package_beside_it(s3: Any) -> None:
    _archive(s3)
    first = _prepare(s3, _of_s3("trained/1/model.tar.gz", **_with_code(s3)))
    changed = _with_code(s3, {"inference.py": b"def model_fn(folder): ..."}, "0ther")
    second = _prepare(s3, _of_s3("trained/1/model.tar.gz", **changed))
    _archive(s3, files={**FILES, "config.json": b'{"a": 1}'})
    third = _prepare(s3, _of_s3("trained/1/model.tar.gz", **changed))
    assert len({first, second, third}) == 3
    assert {uri.removeprefix("s3://models/") for uri in (first, second, third)} < set(_stored(s3))


def test_an_interrupted_copy_is_not_visible_and_goes_on(s3: Any) -> None:
    # Given a function whose time ends after the first file
    _mirror(s3)
    properties = _of_hub(**_with_code(s3))
    left = iter([900_000])
    with pytest.raises(RuntimeError, match="What was, stays: deploy again"):
        _prepare(s3, properties, lambda: next(left, 0))
    assert not [key for key in _stored(s3) if key.endswith(".json") and key.count("/") == 1]
    # When it runs again, then only the rest is copied
    copied: list[str] = []
    s3.meta.events.register("before-call.s3.CopyObject", lambda params, **_: copied.append(params["url_path"]))
    _prepare(s3, properties)
    assert len(copied) == len(FILES) - 1


def test_an_archive_is_there_whole_or_not_at_all(s3: Any) -> None:
    # Given an archive that is cut short
    _archive(s3)
    whole = _stored(s3, "trained/")["trained/1/model.tar.gz"]
    _put(s3, "trained/1/model.tar.gz", {"": whole[: len(whole) // 2]})
    with pytest.raises(archive.Unusable, match=r"is no whole tar\.gz archive"):
        _prepare(s3, _of_s3("trained/1/model.tar.gz", **_with_code(s3)))
    assert not _stored(s3)
    assert not s3.list_multipart_uploads(Bucket=MODELS).get("Uploads")


def test_an_archive_that_takes_too_long_is_refused_with_what_to_do(s3: Any) -> None:
    _archive(s3)
    with pytest.raises(RuntimeError, match="Upload its files as they are"):
        _prepare(s3, _of_s3("trained/1/model.tar.gz", **_with_code(s3)), lambda: 0)
    assert not _stored(s3)


def test_an_archive_that_is_too_large_is_refused_before(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _archive(s3)
    monkeypatch.setattr(logic, "LARGEST_ARCHIVE", 10)
    with pytest.raises(NotReady, match="name that prefix"):
        _prepare(s3, _of_s3("trained/1/model.tar.gz", **_with_code(s3)))


@pytest.mark.parametrize("key", ["trained/1/model.tar.gz", "sources/mine/"])
def test_a_model_that_has_code_already_is_refused(s3: Any, key: str) -> None:
    files = {**FILES, "code/inference.py": b""}
    _archive(s3, files=files)
    _put(s3, "sources/mine/", files)
    with pytest.raises(RuntimeError, match="holds code/ already"):
        _prepare(s3, _of_s3(key, **_with_code(s3)))
    assert not _stored(s3)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd"])
def test_an_entry_that_leads_outside_is_refused(s3: Any, name: str) -> None:
    _archive(s3)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        made.addfile(tarfile.TarInfo(name))
    _put(s3, "trained/1/model.tar.gz", {"": packed.getvalue()})
    with pytest.raises(archive.Unusable, match="which is no file of a model"):
        _prepare(s3, _of_s3("trained/1/model.tar.gz", **_with_code(s3)))


def test_a_large_archive_goes_in_parts(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an archive of more than one part, which does not shrink
    monkeypatch.setattr(archive, "_PART", 5 * 2**20)
    weights = _incompressible(12 * 2**20)
    _archive(s3, files={"config.json": b"{}", "model.safetensors": weights})
    uri = _prepare(s3, _of_s3("trained/1/model.tar.gz", **_with_code(s3)))
    assert dict(_unpacked(_stored(s3)[uri.removeprefix("s3://models/")]))["model.safetensors"] == weights


def _incompressible(size: int) -> bytes:
    """Bytes that do not compress, the same with each run."""
    return hashlib.shake_256(b"weights").digest(size)


def test_a_role_that_may_not_yet_is_waited_for(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a policy that does not count yet
    _mirror(s3)
    refusals = [ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "ListObjectsV2")] * 2
    monkeypatch.setattr(patience, "PAUSE", 0.0)

    def refuse(**_: Any) -> None:
        if refusals:
            raise refusals.pop()

    s3.meta.events.register("before-call.s3.ListObjectsV2", refuse)
    assert _prepare(s3, _of_hub()) == f"s3://models/{FOLDER}/"
    assert not refusals
