"""A transformers pipeline, taken apart: what can be done before the model, what it is asked, and what follows.

A pipeline does everything in one call. Here its own preprocess, forward and postprocess run each on a thread of its
own, and forward for many requests at once; the answer is what the pipeline itself gives to each request alone.
"""

import copy
import inspect
import json
import threading
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import tasks
import torch
from batching import Unit
from content import RequestError
from padding import Padding
from transformers import Pipeline
from transformers.pipelines.base import ChunkPipeline
from transformers.pipelines.pt_utils import PipelineIterator

# Shorter and longer inputs together: the model is told by a mask what is padding, and so gives the same answers.
_PADDED_TASKS = tasks.TEXT | tasks.ZERO_SHOT | {"question-answering"}
# Together where nothing has to be padded. (Speech models there are that take padding for silence, and answer it.)
_SAME_SHAPE_TASKS = frozenset({"audio-classification", "automatic-speech-recognition", "image-classification"})
# Settings of a generation that count what comes before the first new token, and so would count padding.
_COUNT_THE_PROMPT = (
    "max_length",
    "min_length",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "encoder_repetition_penalty",
)
_UNSET = (None, 0, 1.0)


class _InterruptedError(Exception):
    """Thrown where a pipeline would begin to work: until here it has only understood the request."""


class _Interruption:
    """What a pipeline does instead of its work: it says what is to be done, or takes the results that are there."""

    def __init__(self) -> None:
        self._here = threading.local()

    def put_into(self, pipe: Any) -> None:
        """All four ways in which a pipeline's `__call__` goes on, once it has understood its arguments."""
        pipe.run_single = self._one
        pipe.run_multi = pipe.iterate = self._many
        pipe.get_iterator = lambda inputs, workers, batch_size, *parameters: self._many(inputs, *parameters)

    def understand(self, pipe: Any, inputs: Any, parameters: dict[str, Any]) -> Any:
        """(items, (preprocess, forward, postprocess parameters)) of a call. None: there is nothing to do."""
        try:
            pipe(inputs, **parameters)
        except _InterruptedError:
            return self._here.work
        return None

    def go_on(self, pipe: Any, inputs: Any, parameters: dict[str, Any], results: list[Any]) -> Any:
        """What the call returns when its work has these results."""
        self._here.results = results
        try:
            return pipe(inputs, **parameters)
        finally:
            self._here.results = None

    def _many(self, items: Any, *parameters: dict[str, Any]) -> list[Any]:
        results = getattr(self._here, "results", None)
        if results is None:
            self._here.work = list(items), parameters
            raise _InterruptedError
        return list(results)

    def _one(self, item: Any, *parameters: dict[str, Any]) -> Any:
        return self._many([item], *parameters)[0]


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
        self._task = tasks.canonical(task)
        self._pipe = copy.copy(pipe)
        self._interruption = _Interruption()
        self._interruption.put_into(self._pipe)
        # A tokenizer of the tokenizers library must not be set to truncate by one thread while another decodes.
        self._preparing = copy.copy(self._pipe)
        if pipe.tokenizer is not None:
            self._preparing.tokenizer = copy.deepcopy(pipe.tokenizer)
            if self._task == "text-generation":
                _pad_before(self._preparing.tokenizer)
        self._padding = Padding(self._preparing)
        takes = inspect.signature(pipe.model.forward).parameters
        # A model with a state for each step works through padding as if it were text.
        self._masks_padding = "attention_mask" in takes and not getattr(pipe.model, "_is_stateful", False)
        self.longest = longest_input(pipe, max_tokens)

    @staticmethod
    def can_take_apart(pipe: Any, task: str | None) -> bool:
        """Whether requests to this pipeline can be answered together."""
        return isinstance(pipe, Pipeline) and tasks.canonical(task) in _PADDED_TASKS | _SAME_SHAPE_TASKS

    def prepare(self, payload: Any) -> Prepared:
        """What the caller's document asks of the model.

        Raises RequestError where it asks too much; whatever the pipeline raises where it is wrong.
        """
        inputs, parameters = as_call(payload)
        work = self._interruption.understand(self._preparing, inputs, parameters)
        if work is None:
            raise RequestError("there is nothing in the inputs to work on", field="inputs")
        items, (before, forward, after) = work
        chunks = [self._preprocess(item, before) for item in items]
        units = [self._unit(chunk, forward, after) for parts in chunks for chunk in parts]
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
        return self._interruption.go_on(self._pipe, prepared.inputs, prepared.parameters, results)

    def _preprocess(self, item: Any, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        chunks: Any = self._preparing.preprocess(item, **parameters)
        return list(chunks) if isinstance(self._preparing, ChunkPipeline) else [chunks]

    def _unit(self, chunk: dict[str, Any], forward: dict[str, Any], after: dict[str, Any]) -> Unit:
        length = length_of(chunk)
        if length > self.longest:
            raise too_long(length, self.longest)
        key: Hashable = self._padding.shape_key(chunk, equal=self._needs_equal_lengths(forward))
        # Numbers of tokens as an answer would hold those of the padding.
        if key is None or getattr(after.get("return_type"), "name", "") == "TENSORS":
            return Unit(None, length, 0.0, None, inputs=(chunk, forward))
        return Unit((key, _parameters_key(forward)), length, 0.0, None, inputs=(chunk, forward))

    def _needs_equal_lengths(self, forward: dict[str, Any]) -> bool:
        if self._task in _SAME_SHAPE_TASKS or not self._padding.is_possible or not self._masks_padding:
            return True
        if self._task != "text-generation":
            return False
        config = forward.get("generation_config") or getattr(self._pipe, "generation_config", None)
        asked = {name: forward.get(name, getattr(config, name, None)) for name in _COUNT_THE_PROMPT}
        if forward.get("max_new_tokens", getattr(config, "max_new_tokens", None)) is not None:
            del asked["max_length"]
        return any(value not in _UNSET for value in asked.values())


def _pad_before(tokenizer: Any) -> None:
    """What is generated follows the prompt, so padding goes before it. Many have no token for it; a mask hides any."""
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token


def as_call(payload: Any) -> tuple[Any, dict[str, Any]]:
    """Inputs and parameters of a document, as the toolkit takes them out: without `inputs`, it is the inputs itself."""
    if not isinstance(payload, dict):
        return payload, {}
    rest = dict(payload)
    inputs = rest.pop("inputs", rest)
    return inputs, rest.pop("parameters", None) or {}


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
        f"the input has {length} tokens, and the model takes at most {longest}: send a shorter one, or let the "
        'tokenizer cut it ("parameters": {"truncation": true}, where the task takes that)',
        field="inputs",
    )


def _parameters_key(parameters: dict[str, Any]) -> Hashable:
    return json.dumps(parameters, sort_keys=True, default=repr) if parameters else ""
