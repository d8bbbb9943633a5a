"""Models that load and models that do not, in the serving image's environment."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.hub_server import HubServer

TOKEN = "hf_" + "x" * 34
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hub-AbCdEf"
# Loads a model, asks it its warm-up request, and says what came of it, and where it connected to. Each line of stdin is
# a case, which gets a process of its own: a fork, because importing torch takes longer than most cases.
_LOAD = """
import json, os, sys, tempfile
sys.path.insert(0, sys.argv[1])
connected = []
sys.addaudithook(lambda event, values: connected.append(str(values[-1])) if event == "socket.connect" else None)
if "warm" in sys.argv:
    import transformers.pipelines, torch
import server_settings, model_loading, content

def load(variables, image):
    image = server_settings.ImageSettings(**image)
    try:
        loaded = model_loading.load_model(server_settings.ServerSettings.read(variables, image), None)
    except model_loading.ModelLoadError as error:
        return {"refused": str(error)}
    told = {"what": loaded.what, "task": loaded.task, "handles": loaded.own.handles_requests, "device": loaded.device}
    told["dtype"] = str(getattr(getattr(loaded.model, "model", None), "dtype", None))
    body = model_loading.warm_up_body(loaded)
    if body is not None:
        request = content.decode(*body, loaded.task)
        answer = loaded.model(request["inputs"], **request["parameters"])
        told["answer"] = json.loads(content.encode(answer, "application/json")[0])
    return told

for line in sys.stdin:
    child = os.fork()
    if child:
        print("ended" if os.waitpid(child, 0)[1] == 0 else "failed", flush=True)
        continue
    variables, image = json.loads(line)
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None
    print(json.dumps({**load(variables, image), "connected": connected}), flush=True)
    os._exit(0)
"""
# A model whose class is in its own folder.
_REMOTE_CLASSES = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

class OwnConfig(PretrainedConfig):
    model_type = "their_own"

class OwnModel(PreTrainedModel):
    config_class = OwnConfig
    def __init__(self, config):
        super().__init__(config)
        self.own_head = torch.nn.Linear(1, 2)
        self.post_init()
    def forward(self, input_ids=None, **others):
        return SequenceClassifierOutput(logits=self.own_head(input_ids[:, :1].float()))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, inference_python: Path, run_python) -> Path:
    folder = tmp_path_factory.mktemp("models")
    done = run_python(inference_python, str(Path(__file__).parent / "small_models.py"), str(folder))
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def model(models: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a model that a test may break, where SAGEMAKER_BASE_DIR=tmp_path finds it."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(models / name, tmp_path / "model"))

    return copy


@pytest.fixture(scope="module")
def loader(runtime: Path, inference_python: Path, opt_ml) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported transformers, and loads models."""
    # transformers decides on its import whether it may use the network, which is before these models are loaded.
    environment = {**opt_ml().environment(inference_python), "HF_HUB_OFFLINE": "1"}
    with _start(runtime, inference_python, "warm", env=environment) as process:
        yield process
        process.stdin.close()


def _start(runtime: Path, python: Path, *arguments: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    command = [str(python), "-c", _LOAD, str(runtime / "inference"), *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, env=dict(env), **pipes)


@pytest.fixture
def load(loader, inference_python: Path, opt_ml, tmp_path: Path):
    """Loads the model of tmp_path; `output` is what was printed besides."""

    def load(variables: Mapping[str, str] | None = None, **image: bool) -> dict[str, Any]:
        (tmp_path / "scratch").mkdir(exist_ok=True)
        place = {"SAGEMAKER_BASE_DIR": str(tmp_path), "TMPDIR": str(tmp_path / "scratch")}
        told = {**opt_ml().environment(inference_python), **place, **(variables or {})}
        loader.stdin.write(json.dumps([told, image]) + "\n")
        loader.stdin.flush()
        lines: list[str] = []
        while (line := loader.stdout.readline()) not in ("ended\n", "failed\n", ""):
            lines.append(line.rstrip("\n"))
        assert line == "ended\n", "\n".join(lines)
        return {**json.loads(lines[-1]), "output": "\n".join(lines[:-1])}

    return load


def _configure(folder: Path, **changed: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


@pytest.mark.parametrize(
    ("name", "task", "served"),
    [
        ("classifier", None, "text-classification"),
        ("classifier", "sentiment-analysis", "text-classification"),
        ("classifier", "zero-shot-classification", "zero-shot-classification"),
        ("classifier", "feature-extraction", "feature-extraction"),
        ("masked", None, "fill-mask"),
        ("masked", "feature-extraction", "feature-extraction"),  # has no pooler, which the answer does not need
        ("answers", None, "question-answering"),
        ("images", None, "image-classification"),
    ],
)
def test_a_model_loads_for_its_task_and_answers(model, load, name, task, served) -> None:
    model(name)

    told = load({"HF_TASK": task} if task else {})

    assert told.get("task") == served, told
    assert told["answer"]
    assert (told["device"], told["dtype"]) == ("cpu", "torch.float32")
    assert not told["handles"]
    assert f"for {served} on cpu in float32 (loaded in " in told["what"]


def test_a_folder_that_hf_model_id_names_is_local_and_nothing_is_connected_to(
    models: Path, runtime: Path, inference_python: Path, opt_ml
) -> None:
    # Given a hub that could be asked, and a process that has imported nothing yet
    environment = {**opt_ml().environment(inference_python), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    variables = {**environment, "HF_MODEL_ID": str(models / "classifier")}

    # When the model is loaded, and asked
    with _start(runtime, inference_python, env=environment) as process:
        output, _ = process.communicate(json.dumps([variables, {}]) + "\n", timeout=120)

    # Then it was all there
    told = json.loads(output.splitlines()[-2])
    assert told["task"] == "text-classification"
    assert told["answer"]
    assert told["connected"] == []


def test_half_precision_on_a_cpu_is_a_choice(model, load) -> None:
    model("classifier")

    assert load({"HFSM_DTYPE": "bfloat16"})["dtype"] == "torch.bfloat16"


@pytest.mark.parametrize(
    ("name", "task", "reason"),
    [
        (
            "classifier",
            "token-classification",  # its head has the same shape: nothing would be missing
            "this model's architecture is DistilBertForSequenceClassification, which serves text-classification, "
            "not token-classification: set HF_TASK to text-classification, or leave it out",
        ),
        ("answers", "text-classification", "which serves question-answering, not text-classification"),
        ("masked", "text-classification", "weights are missing: bert.pooler.dense.bias"),
        ("base", "text-classification", "weights are missing: classifier.bias, classifier.weight, pre_classifier.bias"),
        ("base", "text-generation", "cannot use for text-generation: check HF_TASK"),
        ("classifier", "poetry", "has no task 'poetry': set HF_TASK to one of audio-classification,"),
        ("classifier", "text-to-image", "needs the package diffusers"),
    ],
)
def test_a_task_that_the_model_cannot_serve_is_refused(model, load, name: str, task: str, reason: str) -> None:
    model(name)

    assert reason in load({"HF_TASK": task})["refused"]


def _without(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _nest(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "config.json").rename(folder / "mine/config.json")


def _shards(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut, "model.safetensors is cut off or damaged ("),
        (_without("config.json"), "config.json is missing in "),
        (_nest, "it is in mine/, but belongs at the top of model.tar.gz"),
        (_without("model.safetensors"), "the weights are missing: "),
        (_without("vocab.txt", "tokenizer.json"), "the tokenizer is missing: the task text-classification needs one"),
        (_shards, "model.safetensors.index.json names files that are missing: model-00002-of-00002.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json is not whole JSON (1 bytes"),
        (lambda folder: _configure(folder, model_type="unheard_of"), "unheard_of"),
        (lambda folder: shutil.rmtree(folder), "is empty: the model data holds no files"),
    ],
)
def test_files_that_are_missing_or_broken_are_named_in_one_line(model, load, damage, reason: str) -> None:
    damage(model("classifier"))

    refused = load()["refused"]

    assert reason in refused
    assert "\n" not in refused


def test_weights_that_are_pickles_need_the_images_permission(model, load) -> None:
    model("pickled")

    refused = load()["refused"]

    assert refused.startswith("the weights are a pickle (pytorch_model.bin)")
    assert "safe_serialization=True" in refused and "allow_pickle" in refused
    assert load(allow_pickle=True)["task"] == "text-classification"


def test_code_that_a_model_brings_needs_the_images_permission_and_the_deployers(model, load, tmp_path: Path) -> None:
    # Given a model whose class is in a file of its own, and marks that it ran
    folder = model("classifier")
    ran = tmp_path / "ran"
    (folder / "their_own.py").write_text(f"open({str(ran)!r}, 'w')\n{_REMOTE_CLASSES}")
    classes = {"AutoConfig": "their_own.OwnConfig", "AutoModelForSequenceClassification": "their_own.OwnModel"}
    _configure(folder, model_type="their_own", auto_map=classes, architectures=["OwnModel"])

    # When the image allows it and nobody asks for it
    refused = load(trust_remote_code=True)["refused"]

    # Then it has not run
    assert "the model brings Python code of its own (auto_map in config.json: their_own.OwnConfig)" in refused
    assert not ran.exists()

    # When both want it, then it runs: the weights are not its own, which is said as of any model
    refused = load({"HF_TRUST_REMOTE_CODE": "1"}, trust_remote_code=True)["refused"]
    assert ran.exists()
    assert "weights are missing: own_head.bias, own_head.weight" in refused


def _own_code(folder: Path, source: str) -> None:
    (folder / "code").mkdir()
    (folder / "code/inference.py").write_text(source)


def test_own_code_can_load_anything(model, load) -> None:
    folder = model("classifier")
    (folder / "config.json").unlink()
    _own_code(folder, "def model_fn(model_dir):\n    return len\n")

    told = load()

    assert told["handles"]  # it is called as it is, not as a pipeline
    assert "answer" not in told
    assert told["task"] is None


def test_a_pipeline_that_own_code_loads_is_served_as_the_servers_own(model, load) -> None:
    source = "from transformers import pipeline\ndef model_fn(model_dir):\n"
    _own_code(model("masked"), f"{source}    return pipeline('fill-mask', model_dir)\n")

    told = load()

    assert (told["task"], told["handles"]) == ("fill-mask", False)
    assert told["answer"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def model_fn(model_dir):\n    raise RuntimeError('no vocabulary')\n", "RuntimeError: no vocabulary"),
        ("def model_fn(model_dir):\n    raise SystemExit('no\\nmore')\n", "SystemExit: no more"),
        ("def model_fn():\n    pass\n", "model_fn takes 0 arguments, but has to take 1, or 2 with context"),
        ("import nothing_like_it", "code/inference.py cannot be imported: ModuleNotFoundError"),
    ],
)
def test_own_code_that_fails_says_why_in_one_line(model, load, source: str, reason: str) -> None:
    _own_code(model("classifier"), source)

    assert load()["refused"].startswith(reason)


def test_a_gpu_that_has_no_bfloat16_refuses_it(runtime: Path, inference_python: Path, run_python) -> None:
    # A T4 computes it in software, slower than float32
    script = """if True:
        import sys; sys.path.insert(0, sys.argv[1])
        import model_loading, torch
        torch.cuda.get_device_capability = lambda device: (7, 5)
        torch.cuda.get_device_name = lambda device: "Tesla T4"
        print(model_loading._dtype("auto", "cuda:0"), model_loading._dtype("auto", "cpu"))
        model_loading._dtype("bfloat16", "cuda:0")
    """
    done = run_python(inference_python, "-c", script, str(runtime / "inference"))

    assert "torch.float16 torch.float32\n" in done.stdout
    assert "HFSM_DTYPE is bfloat16, which Tesla T4 (compute capability 7.5) does not compute in" in done.stdout


@pytest.fixture
def hub() -> Iterator[HubServer]:
    server = HubServer()
    yield server
    server.stop()


@pytest.fixture
def publish(models: Path, hub: HubServer) -> Callable[..., None]:
    """Puts a small classifier on the hub, with more files than are needed."""

    def publish(**options: Any) -> None:
        files = {path.name: path.read_bytes() for path in (models / "classifier").iterdir()}
        code = b"raise SystemExit('code of the hub')"
        more = {
            "pytorch_model.bin": b"\x80\x04",
            "code/inference.py": code,
            "code/requirements.txt": b"nothing-like-it",
        }
        hub.publish("team/small", {**files, **more}, **options)

    return publish


def _of_the_hub(hub: HubServer, **variables: str) -> dict[str, str]:
    return {"HF_MODEL_ID": "team/small", "HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0", **variables}


def test_a_model_of_a_hub_is_fetched_to_a_scratch_folder_without_pickles_or_code(publish, hub, load, tmp_path) -> None:
    publish(token=TOKEN)

    told = load(_of_the_hub(hub, HF_TOKEN=TOKEN))

    assert told.get("task") == "text-classification", told
    assert {"model.safetensors", "config.json"} <= set(hub.downloads)
    assert not [path for path in hub.downloads if path.endswith((".bin", ".py")) or path.startswith("code/")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scratch"]


class _Secrets(BaseHTTPRequestHandler):
    """As much of Secrets Manager as GetSecretValue needs; it has one secret."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["SecretId"] == SECRET
        body = {"SecretString": json.dumps({"token": TOKEN})} if known else {"__type": "ResourceNotFoundException"}
        content = json.dumps(body).encode()
        self.send_response(200 if known else 400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Requests are of no interest."""


def test_the_token_comes_from_a_secret(publish, hub, load) -> None:
    publish(token=TOKEN)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Secrets) as aws:
        threading.Thread(target=aws.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{aws.server_port}"
        account = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}

        missing = load(_of_the_hub(hub, HF_TOKEN_SECRET_ARN=f"{SECRET}x", **account))
        told = load(_of_the_hub(hub, HF_TOKEN_SECRET_ARN=SECRET, **account))
        aws.shutdown()

    assert told.get("task") == "text-classification", told
    assert missing["refused"].startswith("the secret of HF_TOKEN_SECRET_ARN cannot be read: ResourceNotFoundException")


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "HF_MODEL_ID team/small is gated, and no token is set (HF_TOKEN_SECRET_ARN)"),
        ({"HF_TOKEN": f"{TOKEN}y"}, "HF_MODEL_ID team/small is gated, and the token may not read it"),
        ({"HF_MODEL_ID": "team/other"}, "HF_MODEL_ID team/other is not on the hub, or it is private"),
        ({"HF_MODEL_REVISION": "v9"}, "HF_MODEL_ID team/small at revision v9: the model has no such revision"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_MODEL_ID is team/small, but HF_HUB_OFFLINE forbids to fetch it"),
        ({"HF_MODEL_ID": "/opt/nothing/here"}, "HF_MODEL_ID is /opt/nothing/here: there is no such folder"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "HF_MODEL_ID team/small cannot be fetched: "),
    ],
)
def test_a_hub_that_gives_no_model_is_one_line_without_the_token(publish, hub, load, variables, reason: str) -> None:
    publish(token=TOKEN)

    told = load(_of_the_hub(hub, **variables))

    assert told["refused"].startswith(reason)
    assert TOKEN not in told["refused"] + told["output"]
