"""What requests and answers look like: the toolkit's contract, and clear errors where the toolkit has none."""

import json
from typing import Any

import pytest


@pytest.fixture(scope="module")
def content(module):
    return module("inference/content.py")


@pytest.fixture
def refused(content):
    """The error of a request that is refused."""

    def refuse(body: Any, content_type: str | None = None, task: str = "text-classification"):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        with pytest.raises(content.RequestError) as error:
            content.decode(text, content_type, task)
        return error.value

    return refuse


@pytest.fixture
def decoded(content):
    def decode(body: Any, content_type: str | None = None, task: str | None = "text-classification"):
        return content.decode(body if isinstance(body, bytes) else json.dumps(body).encode(), content_type, task)

    return decode


def test_json_is_inputs_and_parameters(decoded) -> None:
    assert decoded({"inputs": ["a", "b"], "parameters": {"top_k": 2}}) == {
        "inputs": ["a", "b"],
        "parameters": {"top_k": 2},
    }
    assert decoded({"inputs": "a"}, "application/json; charset=utf-8")["parameters"] == {}
    assert decoded({"inputs": "ä"}, "Application/JSON") == {"inputs": "ä", "parameters": {}}


@pytest.mark.parametrize(
    ("task", "document"),
    [
        ("text-classification", {"text": "a", "text_pair": "b"}),
        ("question-answering", {"question": "who?", "context": "she"}),
        ("table-question-answering", {"table": {"a": ["1"]}, "query": "how many?"}),
    ],
)
def test_an_object_without_inputs_is_the_inputs(decoded, task: str, document: dict[str, Any]) -> None:
    assert decoded({**document, "parameters": {"x": 1}}, None, task) == {"inputs": document, "parameters": {"x": 1}}


def test_how_the_pipeline_would_go_through_a_list_is_the_servers_matter(decoded) -> None:
    asked = decoded({"inputs": "a", "parameters": {"batch_size": 8, "num_workers": 64, "top_k": 1}})

    assert asked["parameters"] == {"top_k": 1}


@pytest.mark.parametrize(
    ("body", "field", "named"),
    [
        (b"", "body", "empty"),
        (b"  \n", "body", "empty"),
        (b'{"inputs": "a"', "body", "line 1 column 15"),
        (b'{"inputs": "\xff"}', "body", "utf-8"),
        (b'{"inputs": ' + b"[" * 100_000, "body", "too deeply"),
        (b'{"inputs": "\\ud83d"}', "inputs", "surrogate"),
        (b'{"inputs": ["a", NaN]}', "inputs[1]", "NaN"),
        (b'{"inputs": "a", "parameters": {"top_p": -Infinity}}', "parameters.top_p", "Infinity"),
        (b'{"inputs": "a", "parameters": {"top_p": 1e999}}', "parameters.top_p", "1e999"),
        (["a"], "body", "a list"),
        ("a", "body", "a text"),
        ({}, "inputs", "missing"),
        ({"input": "a"}, "inputs", "missing"),
        ({"inputs": None}, "inputs", "null"),
        ({"inputs": ""}, "inputs", "empty"),
        ({"inputs": []}, "inputs", "empty"),
        ({"inputs": 5}, "inputs", "a number"),
        (b'{"inputs": ' + b"[" * 500 + b'"a"' + b"]" * 500 + b"}", "inputs", "too deeply"),
        ({"inputs": ["a", 5]}, "inputs[1]", "a number"),
        ({"inputs": [{"text": "a"}, {"text": True}]}, "inputs[1].text", "true or false"),
        ({"inputs": "a", "parameters": ["top_k"]}, "parameters", "a list"),
        ({"inputs": "a", "parameters": {"top_k": "2"}}, "parameters.top_k", "whole number"),
        ({"inputs": "a", "parameters": {"trust_remote_code": True}}, "parameters.trust_remote_code", "cannot be set"),
    ],
)
def test_what_is_wrong_with_json_is_said_with_its_field(refused, body: Any, field: str, named: str) -> None:
    error = refused(body)

    assert (error.status, error.type, error.field) == (400, "InvalidInput", field)
    assert named in error.message


def test_half_an_emoji_is_refused_and_a_whole_one_is_not(decoded) -> None:
    assert decoded(b'{"inputs": "\\ud83d\\ude00"}')["inputs"] == "😀"


@pytest.mark.parametrize(
    ("task", "inputs", "field"),
    [
        ("question-answering", "who?", "inputs"),
        ("question-answering", {"question": "who?"}, "inputs.context"),
        (
            "question-answering",
            [{"question": "q", "context": "c"}, {"question": 1, "context": "c"}],
            "inputs[1].question",
        ),
        ("table-question-answering", {"table": {}, "query": "q"}, "inputs.table"),
        ("zero-shot-classification", "a", "parameters.candidate_labels"),
        ("fill-mask", {"text": "a"}, "inputs"),
        ("translation_en_to_fr", [["a"], [None]], "inputs[1][0]"),
        ("image-classification", "/opt/ml/model/config.json", "inputs"),
        ("image-classification", ["http://169.254.169.254/"], "inputs[0]"),
        ("visual-question-answering", {"image": "http://a/b.png", "question": "q"}, "inputs.image"),
        ("automatic-speech-recognition", "https://example.com/a.wav", "inputs"),
        ("automatic-speech-recognition", "/etc/passwd", "inputs"),
    ],
)
def test_inputs_that_the_task_cannot_have_are_refused(refused, task: str, inputs: Any, field: str) -> None:
    assert refused({"inputs": inputs}, None, task).field == field


def test_a_language_model_continues_nothing(decoded) -> None:
    assert decoded({"inputs": ""}, None, "text-generation")["inputs"] == ""


def test_code_that_loads_from_a_hub_cannot_be_asked_for(refused) -> None:
    # generate() would fetch and run it
    error = refused({"inputs": "a", "parameters": {"custom_generate": "some/repo"}}, None, "text-generation")

    assert error.field == "parameters.custom_generate"


def test_for_the_models_own_code_a_document_is_what_it_is(decoded) -> None:
    assert decoded([1, {"a": None}], None, None) == [1, {"a": None}]
    assert decoded(b'1\n"a"\n', "application/jsonlines", None) == [1, "a"]


def test_json_lines_are_one_request(decoded) -> None:
    lines = b'"a"\r\n{"inputs": "b"}\n\n{"text": "c"}\n'

    assert decoded(lines, "application/jsonlines") == {"inputs": ["a", "b", {"text": "c"}], "parameters": {}}


@pytest.mark.parametrize(
    ("lines", "field", "named"),
    [
        (b'"a"\n{"inputs": "b"\n', "body", "line 2 of the body"),
        (b'"a"\n5\n', "inputs[1]", "line 2"),
        (b'"a"\n{"inputs": ["b", "c"]}\n', "inputs[1]", "one input a line"),
        (b'"a"\n{"inputs": "b", "parameters": {"top_k": 1}}\n', "parameters", "other `parameters`"),
        (b'"a"\n{"inputs": null}\n', "inputs[1]", "line 2"),
        (b"\n", "body", "no lines"),
    ],
)
def test_a_line_that_is_wrong_is_named(refused, lines: bytes, field: str, named: str) -> None:
    error = refused(lines, "application/jsonlines")

    assert error.field == field
    assert named in error.message


def test_a_text_is_the_inputs(decoded) -> None:
    assert decoded("ein Film für alle\n".encode("latin-1"), "text/plain; charset=iso-8859-1")["inputs"] == (
        "ein Film für alle\n"
    )


def test_a_charset_that_nobody_knows_is_refused(refused) -> None:
    error = refused(b"a", "text/plain; charset=klingon")

    assert (error.status, error.field) == (415, "Content-Type")


def test_csv_follows_the_toolkits_rule_of_headers(decoded, refused) -> None:
    assert decoded(b'inputs,other\n"a, b",1\nc,2\n', "text/csv")["inputs"] == ["a, b", "c"]
    assert decoded(b"question,context\nwho,she\n", "text/csv", "question-answering")["inputs"] == [
        {"question": "who", "context": "she"}
    ]
    assert "no header" in refused(b"a,b\n1,2\n", "text/csv").message
    assert "no lines after" in refused(b"inputs\n", "text/csv").message
    assert refused(b"inputs,b\n1,2\n1\n", "text/csv").field == "inputs[1]"


@pytest.mark.parametrize(
    ("content_type", "task"),
    [
        ("application/octet-stream", "text-classification"),
        ("image/png", "text-classification"),
        ("audio/wav", "image-classification"),
        ("text/csv", "zero-shot-classification"),  # the toolkit refuses it, too
        ("text/plain", "question-answering"),
        ("nonsense", "text-classification"),
    ],
)
def test_a_content_type_that_cannot_be_read_is_told_which_can(refused, content_type: str, task: str) -> None:
    error = refused(b"whatever", content_type, task)

    assert (error.status, error.type, error.field) == (415, "UnsupportedMediaType", "Content-Type")
    assert "application/json" in error.message


@pytest.mark.parametrize("content_type", ["audio/wave", "audio/wav", "audio/x-flac", "audio/flac", "audio/mp3"])
def test_a_sound_comes_as_its_bytes(decoded, content_type: str) -> None:
    assert decoded(b"RIFF", content_type, "automatic-speech-recognition")["inputs"] == b"RIFF"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("application/*", "application/json"),
        ("application/xml, text/csv;q=0.5, */*;q=0.1", "text/csv"),
        ("text/csv;q=0.2,application/x-npy;q=0.7", "application/x-npy"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
    ],
)
def test_the_answer_is_what_the_request_likes_best(content, accept: str | None, chosen: str) -> None:
    assert content.check_accept(accept) == chosen


def test_the_default_answer_can_be_another(content) -> None:
    assert content.check_accept("*/*", "text/csv") == "text/csv"
    assert content.check_accept("application/json", "text/csv") == "application/json"


@pytest.mark.parametrize("accept", ["application/xml", "application/json;q=0", "image/png"])
def test_an_answer_that_cannot_be_had_is_refused_before_the_model_runs(content, accept: str) -> None:
    with pytest.raises(content.RequestError) as error:
        content.check_accept(accept, task="text-classification")

    assert (error.value.status, error.value.type, error.value.field) == (406, "NotAcceptable", "Accept")
    assert "application/json" in error.value.message


def test_json_is_compact_and_keeps_its_characters(content) -> None:
    body, content_type = content.encode([{"label": "größer", "score": 0.5}], "application/json")

    assert (body.decode(), content_type) == ('[{"label":"größer","score":0.5}]', "application/json")


def test_json_lines_have_a_prediction_a_line(content) -> None:
    body, content_type = content.encode([{"label": "a"}, [1]], "application/jsonlines")

    assert (body, content_type) == (b'{"label":"a"}\n[1]\n', "application/jsonlines")


@pytest.mark.parametrize("prediction", [{"score": float("nan")}, [float("inf")], {"a": object()}, "\ud800"])
def test_an_answer_that_is_no_json_is_the_models_fault(content, prediction: Any) -> None:
    with pytest.raises(content.ModelError) as error:
        content.encode(prediction, "application/json")

    assert (error.value.status, error.value.type) == (500, "ModelError")


@pytest.mark.parametrize("prediction", [[[{"generated_text": "a"}]], [], [{"a": 1}, {"b": 2}]])
def test_an_answer_that_is_no_table_cannot_be_csv(content, prediction: Any) -> None:
    with pytest.raises(content.RequestError) as error:
        content.encode(prediction, "text/csv")

    assert error.value.status == 406


def test_an_errors_body_is_what_clients_parse(content) -> None:
    error = content.RequestError("no", field="parameters.top_k")

    assert json.loads(error.body()) == {
        "code": 400,
        "type": "InvalidInput",
        "field": "parameters.top_k",
        "message": "no",
    }


@pytest.mark.parametrize(
    ("error", "computing", "field"),
    [
        (TypeError("preprocess() got an unexpected keyword argument 'topk'"), False, "parameters.topk"),
        (ValueError("`temperature` (=-1) has to be positive"), True, "parameters.temperature"),
        (ValueError("text input must be of type `str`"), False, "inputs"),
    ],
)
def test_an_error_of_the_callers_names_the_field(content, error: Exception, computing: bool, field: str) -> None:
    payload = {"inputs": "a", "parameters": {"topk": 1, "temperature": -1}}

    wrong = content.as_request_error(error, payload, computing=computing)

    assert (wrong.status, wrong.field) == (400, field)


@pytest.mark.parametrize(
    ("error", "computing"),
    [
        (ValueError("shapes do not fit"), True),
        (RuntimeError("CUDA out of memory"), False),
        (ValueError("ffmpeg was not found but is required to load audio files from filename"), False),
        (ImportError("TapasTokenizer requires pandas"), False),
    ],
)
def test_an_error_of_the_servers_is_not_the_callers(content, error: Exception, computing: bool) -> None:
    assert content.as_request_error(error, {"inputs": "a", "parameters": {}}, computing=computing) is None
