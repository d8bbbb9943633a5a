"""Text classification, by far the most common task, without what the general way costs per text.

All texts that have come in are tokenised in one call, padded from lists, and scored in one piece; the answers are those
of transformers' own pipeline. Whatever it does not know (pairs of texts, tokenizer arguments) goes the general way.
"""

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from batching import Unit
from padding import to_device
from pipeline_steps import PipelineSteps, Prepared, as_call, too_long
from transformers import PreTrainedTokenizerFast, TextClassificationPipeline

# Lengths are rounded up to a multiple of it: few shapes, for which libraries have prepared themselves soon.
_STEP = 8
_PLAIN = frozenset({"top_k"})


@dataclass(slots=True)
class PreparedTexts:
    """A request with plain texts. units: one per text; their outputs are rows of scores."""

    is_list: bool
    has_top_k: bool
    top_k: int | None
    units: list[Unit]
    outputs: list[Any]


class TextClassificationSteps(PipelineSteps):
    """As PipelineSteps; `prepare_all` prepares many requests at once."""

    def __init__(self, pipe: Any, task: str, *, max_tokens: int) -> None:
        super().__init__(pipe, task, max_tokens=max_tokens)
        self._left = pipe.tokenizer.padding_side == "left"
        # The tokenizers library itself: the class around it takes as long again, per text.
        self._tokenizer = copy.deepcopy(pipe.tokenizer.backend_tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._names = list(pipe.tokenizer.model_input_names)
        self._fill = {
            "input_ids": pipe.tokenizer.pad_token_id,
            "token_type_ids": pipe.tokenizer.pad_token_type_id,
        }
        config = pipe.model.config
        self._labels = [config.id2label[i] for i in range(config.num_labels)]
        self._activation = _activation(config)
        takes = inspect.signature(pipe.model.forward).parameters
        self._switches = {"use_cache": False} if "use_cache" in takes else {}

    @staticmethod
    def fits(pipe: Any) -> bool:
        """Whether it is the library's own pipeline, with a tokenizer that can do many texts at once."""
        if type(pipe) is not TextClassificationPipeline or not isinstance(pipe.tokenizer, PreTrainedTokenizerFast):
            return False
        known = {"input_ids", "attention_mask", "token_type_ids"}
        # Defaults that were given to the pipeline itself are the general way's matter.
        plain = not (pipe._preprocess_params or pipe._forward_params or pipe._postprocess_params)
        config = pipe.model.config
        can_pad = pipe.tokenizer.pad_token_id is not None and config.pad_token_id is not None
        odd = getattr(config, "return_all_scores", None) or getattr(config, "function_to_apply", None)
        return plain and can_pad and not odd and set(pipe.tokenizer.model_input_names) <= known

    def prepare_all(self, payloads: Sequence[Any]) -> list[PreparedTexts | Prepared | Exception]:
        """By request: what is ready for the model, or what is wrong with it."""
        found: list[PreparedTexts | Prepared | Exception | None] = []
        texts: list[str] = []
        plain: list[tuple[int, PreparedTexts, int]] = []
        for at, payload in enumerate(payloads):
            call = _plain_call(payload)
            if call is None:
                found.append(self._prepared_or_error(payload))
                continue
            inputs, is_list, parameters = call
            prepared = PreparedTexts(is_list, "top_k" in parameters, parameters.get("top_k", 1), [], [])
            plain.append((at, prepared, len(inputs)))
            texts += inputs
            found.append(prepared)
        if texts and not self._tokenize(texts, plain, found):
            for at, _, _ in plain:
                found[at] = self._prepared_or_error(payloads[at])
        return found  # type: ignore[return-value]

    def _prepared_or_error(self, payload: Any) -> Prepared | Exception:
        try:
            return self.prepare(payload)
        except Exception as error:  # one request's fault is told to that one
            return error

    def _tokenize(self, texts: list[str], plain: list[tuple[int, PreparedTexts, int]], found: list[Any]) -> bool:
        """False: one of the texts is none (half a surrogate pair, for example), and each is to be looked at alone."""
        try:
            encoded = self._tokenizer.encode_batch_fast(texts)
        except Exception:
            return False
        has_types = "token_type_ids" in self._names
        row = 0
        for at, prepared, count in plain:
            for part in range(count):
                ids = encoded[row].ids
                length = len(ids)
                if length > self.longest:
                    found[at] = too_long(length, self.longest)
                rows = ids, encoded[row].type_ids if has_types else None
                prepared.units.append(Unit("text", length, 0.0, None, part, rows))
                row += 1
        return True

    def forward(self, units: list[Unit]) -> list[Any]:
        if units[0].key != "text":
            return super().forward(units)
        longest = min(self.longest, -(-max(unit.length for unit in units) // _STEP) * _STEP)
        columns = {
            name: torch.tensor([_filled(unit.inputs[i], longest, self._fill[name]) for unit in units])
            for i, name in enumerate(("input_ids", "token_type_ids"))
            if name in self._names
        }
        if "attention_mask" in self._names:
            lengths = torch.tensor([unit.length for unit in units]).unsqueeze(1)
            columns["attention_mask"] = (torch.arange(longest).unsqueeze(0) < lengths).long()
        if self._left:
            columns = {name: _to_the_right(column, units, longest) for name, column in columns.items()}
        if self._pipe.device.type == "cuda":
            columns = {name: to_device(column, self._pipe.device) for name, column in columns.items()}
        with torch.inference_mode():
            logits = self._pipe.model(**columns, **self._switches).logits.float().cpu()
            rows: list[Any] = self._activation(logits).tolist()
        return rows

    def finish(self, prepared: Any) -> Any:
        if not isinstance(prepared, PreparedTexts):
            return super().finish(prepared)
        answers = [self._answer(prepared, row) for row in prepared.outputs]
        if prepared.is_list:
            return answers
        return answers[0] if prepared.has_top_k else [answers[0]]

    def _answer(self, prepared: PreparedTexts, scores: list[float]) -> Any:
        if not prepared.has_top_k:
            best = max(scores)
            return {"label": self._labels[scores.index(best)], "score": best}
        named = [{"label": label, "score": score} for label, score in zip(self._labels, scores, strict=True)]
        named.sort(key=lambda each: each["score"], reverse=True)
        return named if prepared.top_k is None else named[: prepared.top_k]


def _plain_call(payload: Any) -> tuple[list[str], bool, dict[str, Any]] | None:
    """(texts, whether they came as a list, parameters); None: something else than plain texts."""
    inputs, parameters = as_call(payload)
    if not isinstance(parameters, dict) or not _PLAIN.issuperset(parameters):
        return None
    top_k = parameters.get("top_k", 1)
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        return None
    if type(inputs) is str:
        return [inputs], False, parameters
    if type(inputs) is list and inputs and all(type(each) is str for each in inputs):
        return inputs, True, parameters
    return None


def _activation(config: Any) -> Any:
    """As the pipeline chooses it."""
    if config.problem_type == "regression":
        return lambda logits: logits
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return torch.sigmoid
    return lambda logits: torch.softmax(logits, -1)


def _filled(ids: list[int], length: int, value: int) -> list[int]:
    return ids + [value] * (length - len(ids)) if len(ids) < length else ids


def _to_the_right(column: torch.Tensor, units: list[Unit], longest: int) -> torch.Tensor:
    """For models whose padding comes first: each row turned until its padding is in front."""
    rows = [torch.roll(row, longest - unit.length) for row, unit in zip(column, units, strict=True)]
    return torch.stack(rows)
