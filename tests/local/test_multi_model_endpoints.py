"""Multi-model endpoints: one container with many models, each brought when it is first asked for."""

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hf_sagemaker.serving import Serving
from tests.local.bare_image import bare_image
from tests.local.compute_projects import ROLE, archive
from tests.local.served_modes import Modes
from tests.local.serving_image import serving_image
from tests.local.test_hub_mirror import MAKE_MODEL
from tests.local.test_serving_endpoints import TEXTS

# Has room for one model, says so with 507 as the contract asks for, and answers with the models' words.
ROOM_FOR_ONE = """
import http.server, json, os, pathlib
assert os.environ["SAGEMAKER_MULTI_MODEL"] == "true"
models, log = {}, []

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(200, b"")
    def do_DELETE(self):
        log.append("unload " + models.pop(self.path.split("/")[2]))
        self.answer(200, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/models":
            if models:
                return self.answer(507, b"no memory")
            asked = json.loads(body)
            models[asked["model_name"]] = pathlib.Path(asked["url"], "word.txt").read_text()
            log.append("load " + models[asked["model_name"]])
            return self.answer(200, b"")
        name = self.path.split("/")[2]
        if name not in models:
            return self.answer(404, b"")
        self.answer(200, json.dumps({"word": models[name], "log": log}).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        return

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


def multi_model(modes: Modes, image: str, prefix: str, **container: Any) -> str:
    """An endpoint with the models below the prefix; its name."""
    name = f"model-{uuid.uuid4().hex[:8]}"
    primary = {"Image": image, "Mode": "MultiModel", "ModelDataUrl": f"s3://{modes.bucket}/{prefix}/", **container}
    modes.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=primary)
    return modes.endpoint({"ModelName": name, "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1})


def ask(modes: Modes, endpoint: str, target: str, body: str = "{}") -> Any:
    return json.loads(modes.ask(endpoint, body, TargetModel=target, ContentType="application/json"))


@pytest.fixture(scope="module")
def room_for_one(modes: Modes) -> str:
    """The image of such a server."""
    return bare_image(modes.running, ROOM_FOR_ONE, f"tests/room-for-one-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def words(modes: Modes) -> str:
    """Where the models `one.tar.gz` and `two.tar.gz` lie."""
    for word in ("one", "two"):
        modes.s3.put_object(Bucket=modes.bucket, Key=f"words/{word}.tar.gz", Body=archive({"word.txt": word}))
    return "words"


def test_the_toolkits_server_serves_many_models(modes: Modes, tmp_path: Path) -> None:
    # Given two models, and the image whose server is the Hugging Face toolkit's
    expected = {}
    for name in ("first", "deep/second"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        subprocess.run([os.environ["HFSM_TRAINING_PYTHON"], "-c", MAKE_MODEL, str(folder)], check=True, timeout=120)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        modes.s3.put_object(Bucket=modes.bucket, Key=f"many/{name}.tar.gz", Body=archive(files))
        expected[name] = folder
    image = serving_image(modes.running, Serving(server="toolkit"), tmp_path / "context")

    # When both are asked of one endpoint
    endpoint = multi_model(modes, image, "many", Environment={"HF_TASK": "text-classification"})
    body = json.dumps({"inputs": TEXTS})
    first, second = (ask(modes, endpoint, f"{name}.tar.gz", body) for name in expected)

    # Then each has answered, with weights of its own
    assert [set(answer) for answer in (*first, *second)] == [{"label", "score"}] * 4
    assert first != second
    assert ask(modes, endpoint, "first.tar.gz", body) == first
    assert modes.containers(f"endpoint {endpoint},") == 1


def test_the_model_that_nobody_asked_for_longest_makes_room(modes: Modes, room_for_one: str, words: str) -> None:
    # Given a server with room for one model
    endpoint = multi_model(modes, room_for_one, words)

    # When two are asked for in turn, then each answers
    answers = [ask(modes, endpoint, f"{word}.tar.gz") for word in ("one", "one", "two", "one")]
    assert [answer["word"] for answer in answers] == ["one", "one", "two", "one"]

    # And each was loaded only when it was not there
    assert answers[-1]["log"] == ["load one", "unload one", "load two", "unload two", "load one"]


def test_without_a_cache_no_model_stays(modes: Modes, room_for_one: str, words: str) -> None:
    endpoint = multi_model(modes, room_for_one, words, MultiModelConfig={"ModelCacheSetting": "Disabled"})

    answers = [ask(modes, endpoint, "one.tar.gz") for _ in range(2)]

    assert answers[-1]["log"] == ["load one", "unload one", "load one"]


def test_the_model_must_be_named_and_be_there(modes: Modes, room_for_one: str, words: str) -> None:
    endpoint = multi_model(modes, room_for_one, words)

    with pytest.raises(ClientError, match="TargetModel is required"):
        modes.ask(endpoint, "{}")
    with pytest.raises(ClientError, match=r"Failed to download model data.*words/three\.tar\.gz") as error:
        ask(modes, endpoint, "three.tar.gz")
    assert error.value.response["Error"]["Code"] == "ValidationError"


def test_a_multi_model_container_needs_the_place_of_its_models(modes: Modes, room_for_one: str) -> None:
    with pytest.raises(ClientError, match="ModelDataUrl is required for a container with Mode MultiModel"):
        modes.sagemaker.create_model(
            ModelName="nowhere",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": room_for_one, "Mode": "MultiModel"},
        )
