"""A model's own code/inference.py, under the stock toolkit's handler and under our server: the same answers."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.runtime.answers import first_difference
from tests.runtime.drop_in_requests import Request
from tests.runtime.served_model import Answer, ask_stock_handler, our_server

# Each alone, as people write them: none of them knows of batches.
_CODE = {
    "model_fn": """
from transformers import pipeline

def model_fn(model_dir):
    return pipeline("text-classification", model=model_dir, tokenizer=model_dir, top_k=2)
""",
    "input_fn": """
import json

def input_fn(data, content_type):
    return {"inputs": json.loads(data)["inputs"].upper(), "parameters": {"top_k": 1}}
""",
    "predict_fn": """
def predict_fn(data, model):
    return {"length": len(data["inputs"]), "best": model(data["inputs"])[0]}
""",
    "output_fn": """
def output_fn(prediction, accept):
    return f"{accept}: " + "|".join(each["label"] for each in prediction)
""",
    "transform_fn": """
import json

def transform_fn(model, data, content_type, accept):
    return json.dumps([content_type, model(json.loads(data)["inputs"])])
""",
    "all of them, with a context": """
import json

def model_fn(model_dir, context):
    return {"length": 1}

def input_fn(data, content_type, context):
    return json.loads(data)["inputs"].split()

def predict_fn(data, model, context):
    return {"words": len(data), "factor": model["length"]}

def output_fn(prediction, accept, context):
    return json.dumps(prediction)
""",
}
_JSON = "application/json"
_TEXTS = ("A joy.", "Nobody at the station knew when the next train would leave.", "What, again? " * 12)
_REQUESTS = tuple(Request.of(text) for text in _TEXTS)


@pytest.fixture(scope="module")
def models(inference_python, run_python, tmp_path_factory) -> Path:
    """A folder with a model per piece of code."""
    folder = tmp_path_factory.mktemp("own-code")
    maker = Path(__file__).parent / "drop_in_models.py"
    done = run_python(inference_python, str(maker), str(folder / "made"), "text-classification")
    assert done.returncode == 0, done.stdout
    for name, text in _CODE.items():
        (folder / name / "code").mkdir(parents=True)
        (folder / name / "code/inference.py").write_text(text)
        for path in (folder / "made/text-classification").iterdir():
            (folder / name / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def stock_answers(models: Path, inference_python, tmp_path_factory) -> dict[str, list[Answer]]:
    asked = dict.fromkeys(_CODE, ("text-classification", list(_REQUESTS)))
    return ask_stock_handler(inference_python, models, asked, tmp_path_factory.mktemp("stock") / "handler")


@pytest.fixture(scope="module")
def our_answers(models: Path, inference_python, runtime, tmp_path_factory) -> dict[str, list[Answer]]:
    def ask(name: str) -> list[Answer]:
        folder = tmp_path_factory.mktemp("ours") / "server"
        variables = {"HF_TASK": "text-classification"}
        with our_server(inference_python, runtime / "inference/serve.py", models / name, folder, variables) as served:
            return served.ask_together(list(_REQUESTS), seed=3)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(_CODE, pool.map(ask, _CODE), strict=True))


@pytest.mark.parametrize("name", _CODE)
def test_own_code_answers_as_under_the_stock_toolkit(name: str, stock_answers, our_answers) -> None:
    for expected, actual in zip(stock_answers[name], our_answers[name], strict=True):
        assert (actual.status, actual.content_type) == (200, expected.content_type), actual
        assert first_difference(_read(expected), _read(actual)) is None


def test_the_code_was_used(stock_answers) -> None:
    # Otherwise two servers that ignore it would agree, too
    for name in _CODE:
        plain = "predict_fn" if name == "transform_fn" else "transform_fn"
        assert stock_answers[name] != stock_answers[plain], name


def _read(answer: Answer) -> object:
    """As JSON where it is; what output_fn returns is not."""
    return json.loads(answer.body) if answer.body[:1] in (b"[", b"{") else answer.body.decode()
