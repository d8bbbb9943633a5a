"""Whether a decoded request is one that its task can answer; what is not never reaches the model."""

from collections.abc import Iterator
from typing import Any

import tasks
from media import image_of_text, sound_of_text
from request_errors import RequestError

# They load code or models, or change the process that all requests share.
_NOT_FOR_CALLERS = {
    "assistant_model",
    "assistant_tokenizer",
    "custom_generate",
    "generation_config",
    "logits_processor",
    "prefix_allowed_tokens_fn",
    "stopping_criteria",
    "streamer",
    "synced_gpus",
    "token",
    "tokenizer",
    "trust_remote_code",
}
# How the pipeline would work through a list; the server decides that itself, and the answer is the same.
_OF_THE_SERVER = {"batch_size", "num_workers"}
_WHOLE_NUMBERS = {
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "num_beams",
    "num_return_sequences",
    "top_k",
}
_NUMBERS = {"length_penalty", "repetition_penalty", "temperature", "top_p", "max_time"}

_DEEPEST = 8  # lists and objects in each other: chats, their messages, the parts of these


def request_of(document: Any, task: str) -> dict[str, Any]:
    """`inputs` and `parameters` of a request's document; an object without `inputs` is the inputs itself.

    RequestError: names what the task lacks or cannot use. Texts that hold images or sounds become these.
    """
    if not isinstance(document, dict):
        raise RequestError(f"the body is {_kind(document)}: send an object with `inputs`", field="body")
    parameters = _parameters(document.get("parameters"))
    if "inputs" in document:
        inputs = document["inputs"]
    else:
        inputs = {name: value for name, value in document.items() if name != "parameters"}
        if not _is_whole_input(inputs, task):
            raise RequestError(f"`inputs` is missing: {_wanted(task)}", field="inputs")
    _refuse_nothing(inputs, task)
    if task in tasks.QUESTION:
        _check_questions(inputs, task)
    elif task in tasks.TEXT | tasks.ZERO_SHOT:
        _check_texts(inputs, task)
    elif task in tasks.IMAGE:
        inputs = _with_images(inputs, "inputs")
    elif task in tasks.AUDIO:
        inputs = _with_sounds(inputs, "inputs")
    if task in tasks.NEEDS_LABELS:
        _check_labels(inputs, parameters)
    return {"inputs": inputs, "parameters": parameters}


def _parameters(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"`parameters` is {_kind(value)}: send an object", field="parameters")
    for name, each in value.items():
        field = f"parameters.{name}"
        if name in _NOT_FOR_CALLERS:
            raise RequestError(f"`{name}` cannot be set by a request", field=field)
        if each is None:
            continue
        if name in _WHOLE_NUMBERS and (isinstance(each, bool) or not isinstance(each, int)):
            raise RequestError(f"`{name}` is {_kind(each)}: send a whole number", field=field)
        if name in _NUMBERS and (isinstance(each, bool) or not isinstance(each, (int, float))):
            raise RequestError(f"`{name}` is {_kind(each)}: send a number", field=field)
    return {name: each for name, each in value.items() if name not in _OF_THE_SERVER}


def _is_whole_input(document: dict[str, Any], task: str) -> bool:
    """Whether the pipeline takes such an object for its input."""
    if task == "text-classification":
        return "text" in document
    if task == "question-answering":
        return bool({"question", "context"} & set(document))  # what lacks is said by name
    if task == "table-question-answering":
        return bool({"query", "table"} & set(document))
    if task in tasks.TEXT | tasks.ZERO_SHOT | tasks.AUDIO:
        return task == "automatic-speech-recognition" and "sampling_rate" in document
    return bool(document)


def _refuse_nothing(inputs: Any, task: str) -> None:
    if inputs is None:
        raise RequestError(f"`inputs` is null: {_wanted(task)}", field="inputs")
    # A language model continues an empty text, too.
    empty = isinstance(inputs, (str, bytes, list, dict)) and not inputs
    if empty and not (inputs == "" and task == "text-generation"):
        raise RequestError(f"`inputs` is empty: {_wanted(task)}", field="inputs")


def _check_questions(inputs: Any, task: str) -> None:
    needed = ("question", "context") if task == "question-answering" else ("table", "query")
    several = isinstance(inputs, list)
    for index, each in enumerate(inputs if several else [inputs]):
        place = f"inputs[{index}]" if several else "inputs"
        if not isinstance(each, dict):
            raise RequestError(f"`{place}` is {_kind(each)}: {_wanted(task)}", field=place)
        for name in needed:
            if not each.get(name):
                raise RequestError(f"`{place}.{name}` is missing or empty: {_wanted(task)}", field=f"{place}.{name}")
        texts = {name: each[name] for name in needed if name != "table"}
        for inner, leaf in _leaves(texts, place):
            if not isinstance(leaf, str):
                raise RequestError(f"`{inner}` is {_kind(leaf)}: send a text", field=inner)


def _check_texts(inputs: Any, task: str) -> None:
    if isinstance(inputs, str):
        return
    objects = task in ("text-classification", "text-generation")  # pairs of texts, and the messages of a chat
    for place, leaf in _leaves(inputs, "inputs", objects=objects):
        if not isinstance(leaf, str) and not (task == "text-generation" and leaf is None):
            raise RequestError(f"`{place}` is {_kind(leaf)}: {_wanted(task)}", field=place)


def _leaves(value: Any, place: str, *, objects: bool = True, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        raise RequestError("`inputs` is nested too deeply", field="inputs")
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{place}[{index}]", objects=objects, depth=depth + 1)
    elif isinstance(value, dict) and objects:
        for name, each in value.items():
            yield from _leaves(each, f"{place}.{name}", depth=depth + 1)
    else:
        yield place, value


def _with_images(value: Any, place: str) -> Any:
    """A text would make the pipeline fetch an address or open a file of the container."""
    if isinstance(value, str):
        return image_of_text(value, place)
    if isinstance(value, list):
        return [_with_images(each, f"{place}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, dict):
        media = {"image", "images", "url", "path"}  # `url` and `path`: of the content of a chat's message
        return {
            name: _with_images(each, f"{place}.{name}")
            if name in media or (isinstance(each, (dict, list)) and name in ("content", "messages"))
            else each
            for name, each in value.items()
        }
    return value


def _with_sounds(value: Any, place: str) -> Any:
    if isinstance(value, str):
        return sound_of_text(value, place)
    if isinstance(value, list):
        return [_with_sounds(each, f"{place}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, dict):
        import numpy

        name = next((each for each in ("raw", "array") if each in value), None)
        if name is None or "sampling_rate" not in value:
            raise RequestError(f"`{place}` needs raw, a list of numbers, and sampling_rate", field=place)
        try:
            samples = numpy.asarray(value[name], dtype=numpy.float32)
        except (TypeError, ValueError):
            raise RequestError(f"`{place}.{name}` is no list of numbers", field=f"{place}.{name}") from None
        return {**value, name: samples}
    return value


def _check_labels(inputs: Any, parameters: dict[str, Any]) -> None:
    field = "parameters.candidate_labels"
    labels = parameters.get("candidate_labels")
    if labels is None and isinstance(inputs, (dict, list)):
        several = inputs if isinstance(inputs, list) else [inputs]
        if all(isinstance(each, dict) and each.get("candidate_labels") for each in several):
            return
    texts = labels.split(",") if isinstance(labels, str) else labels
    if not texts or not isinstance(texts, list) or not all(isinstance(each, str) and each.strip() for each in texts):
        raise RequestError("`candidate_labels` has to be a list of texts, of one at least", field=field)


def _wanted(task: str) -> str:
    if task == "question-answering":
        return "send an object with the texts `question` and `context`, or a list of such"
    if task == "table-question-answering":
        return "send an object with `table` and `query`, or a list of such"
    if task == "text-classification":
        return "send a text, an object with `text` and perhaps `text_pair`, or a list of such"
    if task in tasks.TEXT | tasks.ZERO_SHOT:
        return "send a text, or a list of texts"
    if task in tasks.IMAGE:
        return "send an image as the body, or in base64"
    if task in tasks.AUDIO:
        return "send a sound as the body, or in base64"
    return f"send what the task {task} takes"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return {list: "a list", dict: "an object"}.get(type(value), f"of type {type(value).__name__}")
