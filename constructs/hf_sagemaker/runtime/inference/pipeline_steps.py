"""A transformers pipeline, taken apart: what can be done before the model, what it is asked, and what follows.

A pipeline does everything in one call. Here its own preprocess, forward and postprocess run each on a thread of its
own, and forward for many requests at once; the answer is what the pipeline itself gives to each request alone.
"""

import copy
import json
import threading
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from batching import Unit
from content import RequestError
from padding import Padding
from transformers import Pipeline
from transformers.pipelines.base import ChunkPipeline
from transformers.pipelines.pt_utils import PipelineIterator

# Shorter and longer inputs together: the model is told by a mask what is padding, and so gives the same answers.
PADDED_TASKS = frozenset(
    {
        "feature-extraction",
        "fill-mask",
        "ner",
        "question-answering",
        "sentiment-analysis",
        "summarization",
        "text-classification",
        "text-generation",
        "text2text-generation",
        "token-classification",
        "translation",
        "zero-shot-classification",
    }
)
# Together where nothing has to be padded. (Speech models there are that take padding for silence, and answer it.)
SAME_SHAPE_TASKS = frozenset({"audio-classification", "automatic-speech-recognition", "image-classification"})


class _Interrupted(Exception):
    """Thrown where a pipeline would begin to work: until here it has only understood the request."""


class _TakenApart:
    """Goes before a pipeline's own class. What would do the work says what is to be done, or has the results already."""

    _now = threading.local()

    def get_iterator(self, inputs: Any, num_workers: Any, batch_size: Any, *parameters: dict[str, Any]) -> Any:
        return self._stop_or_go_on(list(inputs), parameters)

    def run_multi(self, inputs: Any, *parameters: dict[str, Any]) -> Any:
        return self._stop_or_go_on(list(inputs), parameters)

    def iterate(self, inputs: Any, *parameters: dict[str, Any]) -> Any:
        return self._stop_or_go_on(list(inputs), parameters)

    def run_single(self, inputs: Any, *parameters: dict[str, Any]) -> Any:
        return self._stop_or_go_on([inputs], parameters)[0]

    def _stop_or_go_on(self, items: list[Any], parameters: tuple[dict[str, Any], ...]) -> list[Any]:
        results = getattr(self._now, "results", None)
        if results is not None:
            return list(results)
        self._now.work = items, parameters
        raise _Interrupted


@dataclass(slots=True)
class Prepared:
    """A request, ready for the model.

    units: what the model is asked; `parts` counts them per item. outputs: what it answered, by unit.
    """

    inputs: Any
    parameters: dict[str, Any]
    postprocess: dict[str, Any]
    parts: list[int]
    units: list[Unit]
    outputs: list[Any] = field(default_factory=list)


class PipelineSteps:
    """The steps of one pipeline. `prepare`, `forward` and `finish` may run on three threads at once."""

    def __init__(self, pipe: Pipeline, task: str, *, max_tokens: int) -> None:
        """max_tokens: longest input that is taken, whatever the model says of itself."""
        self._task = "translation" if task.startswith("translation") else task
        taken_apart = type(pipe).__name__, (_TakenApart, type(pipe)), {}
        self._pipe = copy.copy(pipe)
        self._pipe.__class__ = type(*taken_apart)  # type: ignore[assignment]
        # A tokenizer of the tokenizers library must not be set to truncate by one thread while another decodes.
        self._preparing = copy.copy(self._pipe)
        if pipe.tokenizer is not None:
            self._preparing.tokenizer = copy.deepcopy(pipe.tokenizer)
            if self._task == "text-generation":
                self._preparing.tokenizer.padding_side = "left"
        self._padding = Padding(self._preparing)
        self.longest = longest_input(pipe, max_tokens)

    @staticmethod
    def can_take_apart(pipe: Any, task: str | None) -> bool:
        """Whether requests to this pipeline can be answered together."""
        known = task in PADDED_TASKS or task in SAME_SHAPE_TASKS or str(task).startswith("translation")
        return isinstance(pipe, Pipeline) and known

    def prepare(self, payload: Any) -> Prepared:
        """What the caller's document asks of the model.

        Raises RequestError where it asks too much; whatever the pipeline raises where it is wrong.
        """
        inputs, parameters = as_call(payload)
        items, (before, forward, after) = self._understand(inputs, parameters)
        chunks = [self._preprocess(item, before) for item in items]
        units = [self._unit(chunk, forward) for parts in chunks for chunk in parts]
        return Prepared(inputs, parameters, after, [len(parts) for parts in chunks], units)

    def forward(self, units: list[Unit]) -> list[Any]:
        """What the model answers to each. All have the same key."""
        parameters = units[0].inputs[1]
        chunks = [unit.inputs[0] for unit in units]
        if len(chunks) == 1:
            return [self._pipe.forward(self._padding.moved(dict(chunks[0])), **parameters)]
        batch = self._padding.together(chunks)
        answers = PipelineIterator([batch], self._pipe.forward, parameters, loader_batch_size=len(chunks))
        whole = list(answers)
        return [self._padding.cut_off(answer, chunk) for answer, chunk in zip(whole, chunks, strict=True)]

    def finish(self, prepared: Prepared) -> Any:
        """What the pipeline itself would have returned."""
        outputs = iter(prepared.outputs)
        results = []
        for count in prepared.parts:
            parts = [next(outputs) for _ in range(count)]
            if isinstance(self._pipe, ChunkPipeline):
                for part in parts:
                    part.pop("is_last", None)
                results.append(self._pipe.postprocess(parts, **prepared.postprocess))
            else:
                results.append(self._pipe.postprocess(parts[0], **prepared.postprocess))
        now = _TakenApart._now
        now.results = results
        try:
            return call(self._pipe, prepared.inputs, prepared.parameters)
        finally:
            now.results = None

    def _understand(self, inputs: Any, parameters: dict[str, Any]) -> Any:
        try:
            call(self._preparing, inputs, parameters)
        except _Interrupted:
            return _TakenApart._now.work
        raise RequestError(400, "InvalidInput", "inputs", "There is nothing in the inputs to work on.")

    def _preprocess(self, item: Any, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        chunks: Any = self._preparing.preprocess(item, **parameters)
        return list(chunks) if isinstance(self._preparing, ChunkPipeline) else [chunks]

    def _unit(self, chunk: dict[str, Any], forward: dict[str, Any]) -> Unit:
        length = length_of(chunk)
        if length > self.longest:
            raise too_long(length, self.longest)
        return Unit(self._key(chunk, forward, length), length, 0.0, None, inputs=(chunk, forward))

    def _key(self, chunk: dict[str, Any], forward: dict[str, Any], length: int) -> Hashable:
        same = self._padding.shape_key(chunk, equal=self._needs_equal_lengths(forward))
        if same is None or forward.get("return_tensors"):
            return None
        return same, _parameters_key(forward)

    def _needs_equal_lengths(self, forward: dict[str, Any]) -> bool:
        if self._task in SAME_SHAPE_TASKS or not self._padding.is_possible:
            return True
        if self._task != "text-generation":
            return False
        # Where only the whole length is limited, padding would count as part of it.
        config = forward.get("generation_config") or getattr(self._pipe, "generation_config", None)
        return forward.get("max_new_tokens", getattr(config, "max_new_tokens", None)) is None


def as_call(payload: Any) -> tuple[Any, dict[str, Any]]:
    """Inputs and parameters of a document, as the toolkit takes them out: without `inputs`, it is the inputs itself."""
    if not isinstance(payload, dict):
        return payload, {}
    rest = dict(payload)
    inputs = rest.pop("inputs", rest)
    return inputs, rest.pop("parameters", None) or {}


def call(pipe: Any, inputs: Any, parameters: dict[str, Any]) -> Any:
    return pipe(inputs, **parameters)


def length_of(chunk: dict[str, Any]) -> int:
    ids = chunk.get("input_ids")
    return ids.shape[-1] if isinstance(ids, torch.Tensor) else 0


def longest_input(pipe: Pipeline, limit: int) -> int:
    """Tokens that the model has positions for, and at most `limit`."""
    config = getattr(pipe.model, "config", None)
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    positions = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    if not isinstance(positions, int) or positions <= 0:
        return limit
    # RoBERTa and its kind count positions from their padding's number on: two fewer than they have.
    of_tokenizer = getattr(pipe.tokenizer, "model_max_length", positions)
    return min(limit, of_tokenizer if 0 < positions - of_tokenizer <= 2 else positions)


def too_long(length: int, longest: int) -> RequestError:
    return RequestError(
        400,
        "InvalidInput",
        "inputs",
        f"The input has {length} tokens, and the model takes at most {longest}. Send a shorter one, or let the "
        'tokenizer cut it: "parameters": {"truncation": true} where the task takes that.',
    )


def _parameters_key(parameters: dict[str, Any]) -> Hashable:
    return json.dumps(parameters, sort_keys=True, default=repr) if parameters else ""


