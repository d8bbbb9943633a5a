"""Code of the model's own: the toolkit's functions, called as the toolkit calls them."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_numbers = itertools.count()
JSON = "application/json"


@pytest.fixture(scope="module")
def own_code(module):
    return module("inference/own_code.py")


@pytest.fixture
def load(own_code, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The code of a model whose inference.py has this source, under a name that no other test's has."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def load(source: str, **options: Any):
        program = f"inference_{next(_numbers)}"
        (tmp_path / "code").mkdir(exist_ok=True)
        (tmp_path / "code" / f"{program}.py").write_text(source)
        return own_code.OwnCode.load(tmp_path, program, **options)

    return load


def _ask(own, model: Any, document: Any, accept: str | None = None, content_type: str | None = JSON) -> tuple[str, str]:
    body, kind = own.transform(model, json.dumps(document).encode(), content_type, accept, None)
    return body.decode(), kind


def test_a_model_without_code_has_the_servers_way(own_code, tmp_path: Path) -> None:
    own = own_code.OwnCode.load(tmp_path, "inference")

    assert not own.handles_requests
    assert own.model_fn is None


def test_requests_go_through_the_functions_in_the_toolkits_order(load) -> None:
    own = load("""
import json
def input_fn(body, content_type):
    return [type(body).__name__, content_type, json.loads(body)]
def predict_fn(data, model):
    return {"seen": data, "model": model}
def output_fn(prediction, accept):
    return json.dumps({**prediction, "accept": accept})
""")

    answer, kind = _ask(own, "the model", {"a": 1}, "application/x-mine")

    assert own.handles_requests
    assert json.loads(answer) == {
        "seen": ["str", JSON, {"a": 1}],  # JSON and CSV come as text
        "model": "the model",
        "accept": "application/x-mine",
    }
    assert kind == "application/x-mine"


def test_bodies_that_are_no_text_come_as_bytes(load) -> None:
    own = load("def input_fn(body, content_type):\n    return {'inputs': type(body).__name__}\n")

    answer, _ = own.transform(lambda inputs: inputs, b"\xff", "application/x-mine", None, None)

    assert json.loads(answer) == "bytes"


def test_what_is_not_overridden_is_the_servers(load) -> None:
    own = load("def predict_fn(data, model):\n    return [model(data)]\n")

    # Any document: what inputs are is up to predict_fn
    assert _ask(own, str.upper, "abc") == ('["ABC"]', JSON)
    assert _ask(own, str.upper, "abc", "application/jsonlines") == ('"ABC"\n', "application/jsonlines")


def test_the_models_parameters_are_passed_by_name(load) -> None:
    own = load("def output_fn(prediction, accept):\n    return f'<{prediction}>'\n")

    answer, _ = _ask(own, lambda inputs, end: inputs + end, {"inputs": "a", "parameters": {"end": "!"}})

    assert answer == "<a!>"


def test_a_parameter_that_the_model_does_not_know_is_the_callers_fault(own_code, load) -> None:
    own = load("def output_fn(prediction, accept):\n    return prediction\n")

    with pytest.raises(own_code.RequestError) as error:
        _ask(own, lambda inputs: inputs, {"inputs": "a", "parameters": {"ending": "!"}})

    assert (error.value.status, error.value.field) == (400, "parameters.ending")


def test_one_function_can_do_it_all_and_may_answer_with_an_object(load) -> None:
    own = load(
        "def transform_fn(model, body, content_type, accept):\n    return {'m': model, 'b': body, 'a': accept}\n"
    )

    answer, kind = _ask(own, 1, [2], "*/*")

    assert json.loads(answer) == {"m": 1, "b": "[2]", "a": JSON}
    assert kind == JSON


def test_functions_with_context_get_what_the_toolkits_users_read(load, tmp_path: Path) -> None:
    own = load("""
def model_fn(model_dir, context):
    return [model_dir, context.system_properties["gpu_id"]]
def predict_fn(data, model, context):
    properties = context.system_properties
    headers = context.request_processor[0].get_request_properties()
    return [model, properties["model_dir"], properties["batch_size"], headers["Content-Type"],
            context.get_request_header(0, "accept")]
def output_fn(prediction, accept, context):
    context.set_response_content_type(0, "application/x-theirs")
    return str(prediction)
""")

    answer, kind = _ask(own, own.load_model(3), 1, None, "application/json; charset=utf-8")

    assert answer == str([[str(tmp_path), 3], str(tmp_path), 1, JSON, JSON])
    assert kind == "application/x-theirs"


def test_bytes_and_their_type_can_be_returned_together(load) -> None:
    own = load("def output_fn(prediction, accept):\n    return b'\\x00', 'image/png'\n")

    assert own.transform(lambda inputs: inputs, b'{"inputs": 1}', JSON, None, None) == (b"\x00", "image/png")


def test_model_fn_alone_leaves_requests_to_the_server(load) -> None:
    own = load("def model_fn(model_dir):\n    return len\n")

    assert not own.handles_requests
    assert own.load_model(None) is len


def test_modules_beside_it_can_have_the_servers_names(load, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/tasks.py").write_text("WORD = 'theirs'\n")

    own = load("from tasks import WORD\ndef predict_fn(data, model):\n    return WORD\n")

    assert _ask(own, None, 1) == ('"theirs"', JSON)
    assert own.transform(None, b'{"inputs": "a"}', JSON, None, "text-classification")[0] == b'"theirs"'


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("def transform_fn(m, b, c, a): ...\ndef predict_fn(d, m): ...", "transform_fn and predict_fn"),
        ("def predict_fn(data): ...", "predict_fn takes 1 arguments, but has to take 2, or 3 with context"),
        ("async def predict_fn(data, model): ...", "predict_fn is asynchronous"),
        ("def output_fn(prediction, accept):\n    yield 1", "output_fn is asynchronous or a generator"),
        ("import a_package_that_is_not_there", "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"),
        ("def f(:", "cannot be imported: SyntaxError"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    ],
)
def test_code_that_cannot_work_is_refused_at_the_start_in_one_line(own_code, load, source: str, named: str) -> None:
    with pytest.raises(own_code.OwnCodeError) as error:
        load(source)

    assert named in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("def predict_fn(data, model):\n    raise KeyError('vocabulary')", "predict_fn of the model's code failed"),
        ("def predict_fn(data, model):\n    return (n for n in [1])", "returns a generator"),
        (
            "async def later(): ...\ndef predict_fn(data, model):\n    return later()",
            "returns a coroutine",
        ),
        ("def predict_fn(data, model):\n    return float('nan')", "NaN"),
    ],
)
def test_code_that_fails_with_a_request_is_a_fault_of_the_server(own_code, load, source: str, named: str) -> None:
    with pytest.raises(own_code.ModelError) as error:
        _ask(load(source), None, 1)

    assert error.value.status == 500
    assert named in error.value.message


def test_broken_json_never_reaches_predict_fn(own_code, load) -> None:
    own = load("def predict_fn(data, model):\n    raise AssertionError\n")

    with pytest.raises(own_code.RequestError) as error:
        own.transform(None, b'{"inputs"', JSON, None, None)

    assert (error.value.status, error.value.field) == (400, "body")


def test_an_answer_that_cannot_be_had_is_refused_before_predict_fn(own_code, load) -> None:
    own = load("def predict_fn(data, model):\n    raise AssertionError\n")

    with pytest.raises(own_code.RequestError) as error:
        _ask(own, None, 1, "application/xml")

    assert error.value.status == 406


@pytest.fixture
def requirements(runtime: Path, tmp_path: Path):
    """Installs requirements as a worker does, with a pip that only looks into a folder."""

    def install(text: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "model/code").mkdir(parents=True, exist_ok=True)
        (tmp_path / "model/code/requirements.txt").write_text(text)
        (tmp_path / "scratch").mkdir(exist_ok=True)
        script = (
            "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import own_code\n"
            "try: own_code.install_requirements(Path(sys.argv[2]))\n"
            "except own_code.OwnCodeError as error: sys.exit(str(error))\n"
        )
        variables = {"PATH": "", "TMPDIR": str(tmp_path / "scratch"), "HOME": str(tmp_path / "scratch"), **environment}
        return subprocess.run(
            [sys.executable, "-c", script, str(runtime / "inference"), str(tmp_path / "model")],
            capture_output=True,
            text=True,
            env=variables,
            timeout=120,
            check=False,
        )

    return install


def test_requirements_that_are_there_are_no_work(requirements, tmp_path: Path) -> None:
    first, second = requirements("# nothing\n", PIP_NO_INDEX="1"), requirements("# nothing\n", PIP_NO_INDEX="1")

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.count("installing") == 1
    assert "installing" not in second.stdout  # another worker of the same server


def test_requirements_that_do_not_exist_end_the_start_with_pips_reason(requirements) -> None:
    done = requirements("a-package-that-is-not-there==1\n", PIP_NO_INDEX="1")

    assert done.returncode == 1
    assert done.stderr.startswith("code/requirements.txt cannot be installed: ERROR: Could not find a version")
    assert done.stderr.count("\n") == 1


def test_without_a_network_it_is_said_where_packages_belong(requirements) -> None:
    # Port 9 of this machine: nobody listens there
    done = requirements("a-package-that-is-not-there==1\n", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")

    assert done.returncode == 1
    assert "put the packages into the image" in done.stderr
