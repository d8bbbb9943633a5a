"""The mirror with the real huggingface_hub, a Hub on loopback and an S3 of moto's."""

import json
import pickle
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.runtime.hub_server import HubServer, safetensors
from tests.runtime.mirror_build import MODEL, Mirror

TOKEN = "hf_" + "x" * 34
FILES = {
    "README.md": b"# A model\n",
    "config.json": b'{"model_type": "bert"}',
    "model-00001-of-00002.safetensors": safetensors(3000),
    "model-00002-of-00002.safetensors": safetensors(2000),
    "tokenizer.json": b'{"model": {"vocab": {"auto_map": 7}}}',
}


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    server = HubServer()
    yield server
    server.stop()


@pytest.fixture
def mirror(tmp_path: Path, runtime: Path, training_python: Path, hub: HubServer, moto_server: str) -> Mirror:
    return Mirror(tmp_path / "source", runtime / "mirror", training_python, hub, moto_server)


def test_a_pinned_revision_is_brought_whole(mirror: Mirror, hub: HubServer) -> None:
    # Given a model of which a pinned commit is not the newest
    commit = hub.publish(MODEL, {**FILES, "pytorch_model.bin": b"\x80\x04", ".gitattributes": b""})
    hub.publish(MODEL, {"config.json": b"{}", "model.safetensors": safetensors(9)})
    mirror.settings({"revision": commit})

    # When it is brought
    code, output = mirror.run()

    # Then its files lie below the commit as the Hub has them, without what may run code
    assert code == 0, output
    prefix = f"hub/team--small/{commit}/"
    assert mirror.stored() == {prefix + path for path in FILES} | {f"hub/team--small/{commit}.json"}
    for path, content in FILES.items():
        assert mirror.s3.get_object(Bucket=mirror.bucket, Key=prefix + path)["Body"].read() == content
    # And the manifest tells size and hash of each, and what was left out
    manifest = mirror.manifest(commit)
    assert {file["path"]: file["size"] for file in manifest["files"]} == {p: len(c) for p, c in FILES.items()}
    assert all(len(file["sha256"]) == 64 for file in manifest["files"])
    assert manifest["left_out"] == [".gitattributes", "pytorch_model.bin"]
    assert f"commit={commit} files=5 brought=5" in output
    assert f"uri=s3://{mirror.bucket}/{prefix}" in output


def test_a_second_run_asks_the_hub_for_nothing(mirror: Mirror, hub: HubServer) -> None:
    mirror.settings({"revision": "main"})
    hub.publish(MODEL, FILES)
    assert mirror.run()[0] == 0
    hub.forget()
    code, output = mirror.run()
    assert code == 0
    assert "brought=0" in output
    assert not hub.requests


def test_a_branch_is_resolved_once(mirror: Mirror, hub: HubServer) -> None:
    # Given a branch that moved after it was brought
    first = hub.publish(MODEL, FILES)
    mirror.settings({"revision": "main"})
    assert mirror.run()[0] == 0
    hub.publish(MODEL, {**FILES, "config.json": b'{"changed": true}'})

    # When it is brought again
    code, output = mirror.run()

    # Then it still is what it was, and the record says so
    assert code == 0
    assert f"{MODEL}@main is commit {first}" in output
    assert mirror.manifests() == [f"hub/team--small/{first}.json"]
    record = mirror.s3.get_object(Bucket=mirror.bucket, Key="hub/team--small/refs/main.json")
    assert json.load(record["Body"])["commit"] == first


def test_interrupted_twice_it_goes_on_and_shows_nothing_half(mirror: Mirror, hub: HubServer) -> None:
    commit = hub.publish(MODEL, FILES)
    mirror.settings({"revision": commit})
    for interrupted_at in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        # Given a run that is killed in the middle of a file
        ended = _killed_at(mirror, hub, interrupted_at)
        assert ended == -signal.SIGKILL
        # Then there is no manifest
        assert not mirror.manifests()

    # When it is run again
    hub.on_download = lambda path: None
    hub.forget()
    code, output = mirror.run()

    # Then only what was missing is brought, and the model is whole
    assert code == 0, output
    assert hub.downloads == ["model-00002-of-00002.safetensors"]
    assert [file["path"] for file in mirror.manifest(commit)["files"]] == sorted(
        FILES, key=lambda path: (not path.endswith(".json"), path)
    )


def _killed_at(mirror: Mirror, hub: HubServer, path: str) -> int:
    started: list[subprocess.Popen[str]] = []

    def kill(asked: str) -> None:
        if asked == path:
            started[0].kill()
            started[0].wait()

    hub.on_download = kill
    started.append(mirror.start())
    started[0].communicate(timeout=120)
    return started[0].returncode


@pytest.mark.parametrize("path", ["model-00001-of-00002.safetensors", "README.md"])
def test_what_is_not_what_was_published_is_refused(mirror: Mirror, hub: HubServer, path: str) -> None:
    mirror.settings({"revision": hub.publish(MODEL, FILES)})
    hub.tampered.add(path)
    assert f"{path}: its hash is" in mirror.refused()
    assert not [key for key in mirror.stored() if key.endswith(path)]


def test_a_model_of_pickles_only_is_refused_unless_allowed(mirror: Mirror, hub: HubServer) -> None:
    commit = hub.publish(MODEL, {"config.json": b"{}", "pytorch_model.bin": pickle.dumps({"weight": 1})})
    mirror.settings({"revision": commit})
    said = mirror.refused()
    assert "may run code when they are loaded only (pytorch_model.bin)" in said
    assert "allow_pickle: true" in said

    mirror.settings({"revision": commit, "allow_pickle": True})
    code, output = mirror.run()
    assert code == 0, output
    assert mirror.manifest(commit)["allowed"] == {"pickle": True, "remote_code": False}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps({"weight": 1}), "is a pickle or an archive under another name"),
        (b"PK\x03\x04" + bytes(60), "is a pickle or an archive under another name"),
        (bytes(64), "is no safetensors file"),
        (b"\xff" * 64, "is no safetensors file"),
        (b"ab", "is no safetensors file"),
    ],
)
def test_weights_that_only_bear_the_name_are_refused(
    mirror: Mirror, hub: HubServer, content: bytes, words: str
) -> None:
    mirror.settings({"revision": hub.publish(MODEL, {"config.json": b"{}", "model.safetensors": content})})
    assert f"model.safetensors: {words}" in mirror.refused()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"modeling.py": b"import os"}, "holds code of its own (modeling.py)"),
        ({"code/inference.py": b"import os"}, "holds code of its own (code/inference.py)"),
        ({"config.json": b'{"auto_map": {"AutoModel": "a/b--c.D"}}'}, "names code to be run (config.json)"),
        ({"tokenizer_config.json": b'{"a": [{"auto_map": {}}]}'}, "names code to be run (tokenizer_config.json)"),
    ],
)
def test_code_of_the_model_is_refused_unless_its_commit_is_allowed(
    mirror: Mirror, hub: HubServer, files: dict[str, bytes], words: str
) -> None:
    # Given a model with code, of which another commit is allowed
    commit = hub.publish(MODEL, FILES | files)
    mirror.settings({"revision": commit, "allow_remote_code": ["0" * 40]})
    assert words in mirror.refused()
    assert not [path for path in hub.downloads if path.endswith(".safetensors")]

    # When this one is
    mirror.settings({"revision": commit, "allow_remote_code": [commit]})
    code, output = mirror.run()

    # Then it is brought with its code
    assert code == 0, output
    assert {file["path"] for file in mirror.manifest(commit)["files"]} == set(FILES | files)

    # And refused again once it is allowed no longer
    mirror.settings({"revision": commit})
    code, output = mirror.run()
    assert code == 1
    assert "with remote code, which its settings allow no longer" in output


def test_a_gated_model_needs_the_token_of_the_secret(mirror: Mirror, hub: HubServer) -> None:
    # Given a gated model, and nothing to show
    commit = hub.publish(MODEL, FILES, token=TOKEN)
    mirror.settings({"revision": commit})
    assert "is gated, and no token is given (hub.token_secret_arn)" in mirror.refused()
    wrong = mirror.secrets.create_secret(Name=f"{mirror.bucket}-wrong", SecretString="hf_wrong")["ARN"]
    assert "is gated, and the token may not read it" in mirror.refused(HUB_SECRET_ARN=wrong)

    # When the secret holds its token
    secret = mirror.secrets.create_secret(Name=mirror.bucket, SecretString=f"{TOKEN}\n")["ARN"]
    code, output = mirror.run(HUB_SECRET_ARN=secret)

    # Then it is brought, and the token is told to nobody
    assert code == 0, output
    assert TOKEN not in output
    assert TOKEN not in json.dumps(mirror.manifest(commit))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"id": "team/nothing", "revision": "main"}, "the Hub has no such model, or it is private"),
        ({"revision": "no-such-branch"}, "the model has no revision of that name"),
        ({"revision": "0" * 40}, "the model has no revision of that name"),
        ({"id": "team/gguf", "revision": "main"}, "holds no weights as .safetensors"),
        ({"id": "team/broken", "revision": "main"}, "config.json is not JSON"),
        ({"id": "team/old", "revision": "main"}, "the Hub calls this model other/new now"),
        ({"id": "team/out", "revision": "main"}, "no name that a file of a model can have"),
    ],
)
def test_what_cannot_be_brought_says_why(mirror: Mirror, hub: HubServer, model: dict[str, str], words: str) -> None:
    hub.publish(MODEL, FILES)
    hub.publish("team/gguf", {"config.json": b"{}", "model.gguf": b"GGUF"})
    hub.publish("team/broken", FILES | {"config.json": b"{"})
    hub.publish("team/old", FILES, name="other/new")
    hub.publish("team/out", FILES | {"../../other--model/x.json": b"{}"})
    mirror.settings(model)
    assert words in mirror.refused()


def test_one_refused_model_does_not_keep_the_others_away(mirror: Mirror, hub: HubServer) -> None:
    commit = hub.publish(MODEL, FILES)
    mirror.settings({"id": "team/nothing", "revision": "main"}, {"revision": commit})
    code, output = mirror.run()
    assert code == 1
    assert "REFUSED team/nothing@main" in output
    assert mirror.manifest(commit)


def test_only_models_of_the_settings_are_brought(mirror: Mirror, hub: HubServer) -> None:
    commit = hub.publish(MODEL, FILES)
    other = hub.publish("team/other", FILES)
    mirror.settings({"revision": commit}, {"id": "team/other", "revision": other})
    assert "team/third: not among the models of this environment" in mirror.refused(MODELS="team/third")
    code, output = mirror.run(MODELS=f"team/other@{other}")
    assert code == 0, output
    assert mirror.manifests() == [f"hub/team--other/{other}.json"]


def test_a_hub_that_cannot_be_reached_is_named_as_the_cause(mirror: Mirror, hub: HubServer) -> None:
    mirror.settings({"revision": "main"})
    assert "the Hub did not give it: ConnectionError" in mirror.refused(HF_ENDPOINT="http://127.0.0.1:1")


def test_what_is_tested_is_what_the_build_installs(
    runtime: Path, training_python: Path, run_python: Callable[..., Any]
) -> None:
    locked = (runtime / "mirror/requirements.txt").read_text()
    for package in ("huggingface_hub", "boto3"):
        code = f"import importlib.metadata as m; print(m.version('{package}'), end='')"
        version = run_python(training_python, "-c", code).stdout
        assert f"{package.replace('_', '-')}=={version} " in locked
