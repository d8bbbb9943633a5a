"""What the differential test asks each task: payloads of mixed lengths, parameters, lists, and what must be refused.

Empty inputs are not asked: the stock server answers some with 200, and ours refuses them.
"""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.runtime.drop_in_texts import mixed_lengths

_JSON = "application/json"


@dataclass(frozen=True)
class Request:
    body: bytes
    content_type: str = _JSON
    accept: str = _JSON

    @classmethod
    def of(cls, inputs: Any, **parameters: Any) -> "Request":
        """The toolkit's JSON: inputs and, where there are any, parameters."""
        return cls.json({"inputs": inputs, **({"parameters": parameters} if parameters else {})})

    @classmethod
    def json(cls, payload: Any) -> "Request":
        return cls(json.dumps(payload, ensure_ascii=False).encode())

    @classmethod
    def table(cls, rows: list[dict[str, str]]) -> "Request":
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
        return cls(text.getvalue().encode(), "text/csv")

    def __str__(self) -> str:
        start = self.body[:150].decode("utf-8", "replace")
        return f"{self.content_type} ({len(self.body)} bytes) {start!r}"


def _text_classification(_media: Path) -> list[Request]:
    texts = mixed_lengths(1, 14)
    pair = {"text": texts[1], "text_pair": texts[2]}
    return [
        *map(Request.of, texts),
        Request.of(texts[:6]),
        Request.of([texts[4]]),
        Request.of(texts[1], top_k=2),
        Request.of(texts[:3], top_k=None),
        Request.of(texts[2], return_all_scores=True),
        Request.of(texts[:2], return_all_scores=True),
        Request.of(texts[3], function_to_apply="none"),
        Request.of(texts[3], function_to_apply="sigmoid", top_k=3),
        Request.of(" ".join(texts[4:9] * 3), truncation=True),
        Request.of(texts[4], truncation=True, max_length=16),
        Request.of(texts[1], padding="max_length", max_length=64),
        Request.of(pair),
        Request.of([pair, {"text": texts[5]}]),
        Request.json(pair),
        Request.table([{"inputs": text} for text in texts[:4]]),
        Request(json.dumps({"inputs": texts[:3]}).encode(), accept="text/csv"),
        Request(json.dumps({"inputs": texts[0]}).encode(), accept="*/*"),
    ]


def _token_classification(_media: Path) -> list[Request]:
    texts = mixed_lengths(2, 12)
    strategies = ("none", "simple", "first", "average", "max")
    return [
        *map(Request.of, texts),
        Request.of(texts[:5]),
        *(Request.of(text, aggregation_strategy=kind) for text, kind in zip(texts[1:6], strategies, strict=True)),
        Request.of(texts[2], ignore_labels=[]),
        Request.of(texts[3], ignore_labels=["O", "B-PER"], aggregation_strategy="simple"),
        Request.of(" ".join(texts[3:10] * 2), stride=16, aggregation_strategy="simple"),
        Request.of(" ".join(texts[3:10] * 2)),
        Request.table([{"inputs": text} for text in texts[:3]]),
    ]


def _question_answering(_media: Path) -> list[Request]:
    texts = [text for text in mixed_lengths(3, 16) if len(text.split()) > 3]
    questions = ("Who moved?", "When does the museum open on Mondays?", "What was lost in the basement, and why?")
    asked = [{"question": questions[number % 3], "context": text} for number, text in enumerate(texts)]
    long = {"question": questions[1], "context": " ".join(texts)}
    return [
        *map(Request.of, asked),
        *(Request.json(payload) for payload in asked[:2]),
        Request.of(long),
        Request.of(long, max_seq_len=96, doc_stride=24),
        Request.of(asked[2], top_k=3),
        Request.of(asked[3], handle_impossible_answer=True),
        Request.of(asked[4], max_answer_len=2, align_to_words=False),
        Request.of(asked[:3]),
        Request.of({"question": list(questions[:2]), "context": texts[:2]}),
        Request.table(asked[:2]),
    ]


def _fill_mask(_media: Path) -> list[Request]:
    def masked(text: str, *places: float) -> str:
        words = text.split()
        for place in places:
            words[int(place * len(words))] = "<mask>"
        return " ".join(words)

    texts = mixed_lengths(4, 12, longest=80)
    single = [masked(text, (number % 4) / 4) for number, text in enumerate(texts)]
    return [
        *map(Request.of, single),
        Request.of(single[:4]),
        Request.of(single[1], top_k=2),
        Request.of(single[2], targets=["the", "a"]),
        Request.of(masked(texts[3], 0.1, 0.6)),
        Request.of(masked(texts[2], 0.1, 0.6), top_k=1),
        Request.of(single[3], tokenizer_kwargs={"truncation": True, "max_length": 200}),
    ]


def _feature_extraction(_media: Path) -> list[Request]:
    texts = mixed_lengths(5, 12)
    return [
        *map(Request.of, texts),
        Request.of(texts[:5]),
        Request.of(texts[4], truncation=True),
        Request.of(" ".join(texts[3:9] * 2), truncation=True),
        Request.of(texts[1], tokenize_kwargs={"padding": "max_length", "max_length": 40}),
        Request(json.dumps({"inputs": texts[1]}).encode(), accept="application/x-npy"),
    ]


def _zero_shot(_media: Path) -> list[Request]:
    texts, labels = mixed_lengths(6, 10), ["travel", "food", "the weather in the north", "music"]
    return [
        *(Request.of(text, candidate_labels=labels[: 2 + number % 3]) for number, text in enumerate(texts)),
        Request.of(texts[:3], candidate_labels=labels),
        Request.of(texts[1], candidate_labels="travel, food"),
        Request.of(texts[2], candidate_labels=labels, multi_label=True),
        Request.of(texts[3], candidate_labels=["music"]),
        Request.of(texts[4], candidate_labels=labels, hypothesis_template="Somebody speaks of {}."),
        Request.of(" ".join(texts * 2), candidate_labels=labels),
    ]


def _greedily(inputs: Any, **parameters: Any) -> Request:
    """A pipeline would otherwise sample, or search with four beams, and go on for 256 tokens."""
    return Request.of(inputs, **{"do_sample": False, "num_beams": 1, "max_new_tokens": 12, **parameters})


def _summarization(_media: Path) -> list[Request]:
    texts = mixed_lengths(7, 10)
    return [
        *map(_greedily, texts),
        _greedily(texts[:4]),
        _greedily(texts[1], max_new_tokens=5),
        _greedily(texts[4], max_new_tokens=5, num_beams=4),
        _greedily(texts[2], max_new_tokens=None, min_length=6, max_length=9),
        _greedily(texts[3], num_beams=3, num_return_sequences=2),
        _greedily(texts[4], return_tensors=True),
        _greedily(texts[4], truncation=True),
        _greedily(texts[3], clean_up_tokenization_spaces=True),
        Request.of(texts[2], max_new_tokens=8),
        Request.of(texts[4], max_new_tokens=8),
    ]


def _translation(_media: Path) -> list[Request]:
    texts = mixed_lengths(8, 12, longest=80)
    return [
        *map(_greedily, texts),
        _greedily(texts[:4]),
        _greedily([texts[3]]),
        _greedily(texts[1], max_new_tokens=4),
        _greedily(texts[4], num_beams=3),
        _greedily(texts[4], num_beams=2, length_penalty=0.5, early_stopping=True),
        _greedily(texts[2], max_new_tokens=None, max_length=8),
        Request.of(texts[1], max_new_tokens=6),
    ]


def _text_generation(_media: Path) -> list[Request]:
    texts = mixed_lengths(9, 12, longest=80)
    return [
        *map(_greedily, texts),
        _greedily(texts[:5]),
        _greedily(""),
        _greedily(texts[1], max_new_tokens=3),
        _greedily(texts[4], max_new_tokens=3),
        _greedily(texts[2], return_full_text=False),
        _greedily(texts[3], return_full_text=False, max_new_tokens=20),
        _greedily(texts[0], max_new_tokens=None, max_length=30),
        _greedily(texts[1], max_new_tokens=None, max_length=90),
        _greedily(texts[4], repetition_penalty=1.4),
        _greedily(texts[1], repetition_penalty=1.4),
        _greedily(texts[3], no_repeat_ngram_size=2),
        _greedily(texts[2], num_beams=3, num_return_sequences=2),
        _greedily(texts[1], return_tensors=True),
        _greedily(texts[1], min_new_tokens=6, max_new_tokens=8),
        _greedily(texts[2], stop_sequence="a"),
    ]


def _images(media: Path) -> list[Request]:
    types = {".png": "image/png", ".jpg": "image/jpeg"}
    images = [path for path in sorted(media.iterdir()) if path.suffix in types]
    sent = [Request(path.read_bytes(), types[path.suffix]) for path in images]
    return [*sent, *sent[:3], Request(images[0].read_bytes(), "image/x-image")]


def _sounds(media: Path) -> list[Request]:
    sounds = [path.read_bytes() for path in sorted(media.glob("*.wav"))]
    return [*(Request(sound, "audio/wave") for sound in sounds), Request(sounds[0], "audio/x-audio")]


_REQUESTS: dict[str, Callable[[Path], list[Request]]] = {
    "text-classification": _text_classification,
    "token-classification": _token_classification,
    "question-answering": _question_answering,
    "fill-mask": _fill_mask,
    "feature-extraction": _feature_extraction,
    "zero-shot-classification": _zero_shot,
    "summarization": _summarization,
    "translation": _translation,
    "text-generation": _text_generation,
    "text-generation-llama": _text_generation,
    "image-classification": _images,
    "automatic-speech-recognition": _sounds,
}
MODELS = tuple(_REQUESTS)


def task_of(model: str) -> str:
    """HF_TASK of one of MODELS."""
    return "text-generation" if model.startswith("text-generation") else model


def requests_of(model: str, media: Path) -> list[Request]:
    """What both servers answer with 200. media: the folder of images and sounds that drop_in_models.py makes."""
    return _REQUESTS[model](media)


_TOO_LONG = " ".join(mixed_lengths(10, 40))
_BROKEN = (
    Request(b'{"inputs": "no end'),
    Request(b'["a list"]'),
    Request(b'"a text"'),
    Request(b'{"inputs": "x"}', content_type="application/x-unknown"),
    Request(b'{"inputs": "x"}', accept="application/x-unknown"),
)
_REFUSED: dict[str, tuple[Request, ...]] = {
    "text-classification": (
        *_BROKEN,
        Request.of(_TOO_LONG),
        Request.of(7),
        Request.of(["fine", 7]),
        Request.of("x", function_to_apply="cosine"),
        Request(b"no,header\n1,2\n", "text/csv"),
        Request(b"\xff\xfe\x00"),
    ),
    "token-classification": (Request.of([]), Request.of("x", aggregation_strategy="best"), Request.of(3)),
    "question-answering": (Request.of("no question"), Request.of({"question": "Who?"}), Request.of({}, top_k=0)),
    "fill-mask": (Request.of("no mask"), Request.of("<mask>", unknown=1), Request.of(_TOO_LONG + " <mask>")),
    "feature-extraction": (Request.of(_TOO_LONG), Request.of(None)),
    "zero-shot-classification": (Request.of("no labels"), Request.of("x", candidate_labels=[]), Request.of("x", y=1)),
    "summarization": (Request.of({"a": 1}), _greedily("x", num_return_sequences=9), Request.of("x", unknown=1)),
    "translation": (Request.of(5), Request.of("x", max_new_tokens=-2), Request.of(_TOO_LONG)),
    "text-generation": (_greedily("x", unknown=1), _greedily("x", num_return_sequences=2), _greedily({"a": 1})),
    "text-generation-llama": (Request.of("x", return_text=True, return_tensors=True), Request.of(None)),
    "image-classification": (Request(b"no image", "image/png"), Request.of("not/a/file.png")),
    "automatic-speech-recognition": (Request(b"no sound", "audio/wave"), Request.of("no/such.wav")),
}


def refused_requests_of(model: str) -> tuple[Request, ...]:
    """What the stock server answers with 400."""
    return _REFUSED[model]
