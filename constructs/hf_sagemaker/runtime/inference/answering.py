"""Requests, from what was received through the model to what is sent back."""

import queue
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from batching import BatchLimits, BatchQueue, Unit
from content import ModelError, RequestError, as_request_error, check_accept, decode, encode
from model_loading import LoadedModel, ModelLoadError, warm_up_body
from packed_linear import pack_linear_layers
from pipeline_steps import PipelineSteps
from request_errors import one_line
from server_settings import ServerSettings
from tasks import GENERATING
from text_classification_batch import TextClassificationSteps
from weighing import choose_threads, fixed_tokens, is_large
from wire import write_frame

_ANY_COMPANY = 4096.0  # tokens: padding counts for nothing against another call
_WEIGHED_REPEATS = 3  # of the warm-up's text: about the length of a sentence
_WEIGHED_UNITS = 16


@dataclass(slots=True, eq=False)
class Request:
    """One that is being answered.

    content: the decoded body. prepared: what the model is asked of it; the answer itself where it was answered alone.
    missing: what the model has not answered yet. queued, began: time.monotonic(), in the queue and at the model.
    """

    header: dict[str, Any]
    body: bytes
    accept: str = ""
    content: Any = None
    prepared: Any = None
    missing: int = 0
    queued: float = 0.0
    began: float = 0.0
    model_seconds: float = 0.0
    batch: int = 0
    tokens: int = 0
    error: Exception | None = field(default=None)


class Answering:
    """What a worker does with a request: `take_in`, `ask_next`, `answers`; by one thread, or by one each.

    waiting: what `take_in` has read and `ask_next` has not taken.
    """

    def __init__(self, loaded: LoadedModel, settings: ServerSettings) -> None:
        self._loaded = loaded
        self._settings = settings
        self._steps = self._prepare_pipeline()
        self._limits = BatchLimits(
            size=settings.max_batch_size,
            tokens=settings.max_batch_tokens,
            # Until it is measured. What generates asks the model once for each token, however long the text was.
            fixed_tokens=64.0 if loaded.device == "cpu" and loaded.task not in GENERATING else _ANY_COMPANY,
            delay=settings.max_batch_delay,
        )
        self.waiting = BatchQueue(self._limits)
        self._done: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

    def _prepare_pipeline(self) -> PipelineSteps | None:
        loaded, settings = self._loaded, self._settings
        if loaded.own.handles_requests or not PipelineSteps.can_take_apart(loaded.model, loaded.task):
            return None
        pipe: Any = loaded.model
        pipe.model.eval()
        if loaded.device == "cpu" and not settings.torch_compile:
            pack_linear_layers(pipe.model)
        if settings.torch_compile:
            pipe.model.forward = torch.compile(pipe.model.forward, dynamic=True)
        kind = TextClassificationSteps if TextClassificationSteps.fits(pipe) else PipelineSteps
        return kind(pipe, str(loaded.task), max_tokens=settings.max_batch_tokens)

    @property
    def threads(self) -> int:
        """Of the processor, that the model works with."""
        return torch.get_num_threads()

    def warm_up(self) -> str:
        """Asks the model something, the way that requests do. A line that says what was loaded, and how long that took.

        ModelLoadError: it does not answer.
        """
        question = warm_up_body(self._loaded)
        if question is None:
            return f"{self._loaded.what} was not asked anything: what it takes for input is not known"
        started = time.monotonic()
        for _ in range(2):  # the first one allocates, and compiles where that was asked for
            request = Request({"content_type": question[1], "accept": None}, question[0])
            self.take_in([request])
            while request.missing and not request.error:
                self._ask(self.waiting.take()[0])
            answer = self._answer(request)
            if answer[0]["status"] != 200:
                raise ModelLoadError(f"{self._loaded.what} does not answer: {answer[1].decode()}")
            list(self._all_done())  # it was nobody's request
        self._weigh(question)
        return f"{self._loaded.what} answers (warm-up {(time.monotonic() - started) * 1000:.0f} ms)"

    def _weigh(self, question: tuple[bytes, str]) -> None:
        """Measures the model with a text of a sentence's length; for tasks that ask it once, and about a text."""
        if self._steps is None or self._loaded.task in GENERATING:
            return
        payload = decode(*question, self._loaded.task)
        text = payload["inputs"]
        if not isinstance(text, str):
            return
        (prepared,) = self._prepare([{**payload, "inputs": " ".join([text] * _WEIGHED_REPEATS)}])
        if isinstance(prepared, Exception) or prepared.units[0].key is None:
            return
        unit, forward = prepared.units[0], self._steps.forward
        if is_large(forward, [unit]):
            return
        if self._loaded.device == "cpu":
            choose_threads(forward, [unit] * _WEIGHED_UNITS)
        fixed = fixed_tokens(forward, unit, units=_WEIGHED_UNITS, most=_ANY_COMPANY)
        self.waiting.limits = replace(self._limits, fixed_tokens=fixed)

    # Intake

    def take_in(self, requests: list[Request]) -> None:
        """Reads the documents, and puts what the model is asked where it waits."""
        read = []
        for request in requests:
            try:
                if self._read(request):
                    read.append(request)
            except Exception as error:  # a RequestError, or a fault of ours: this thread goes on either way
                self._fail(request, error)
        if not read:
            return
        units: list[Unit] = []
        now = time.monotonic()
        for request, prepared in zip(read, self._prepare([request.content for request in read]), strict=True):
            if isinstance(prepared, Exception):
                self._fail(request, as_request_error(prepared, request.content) or prepared)
                continue
            request.prepared, request.missing, request.queued = prepared, len(prepared.units), now
            prepared.outputs = [None] * len(prepared.units)
            deadline = request.header.get("deadline", float("inf"))
            for at, unit in enumerate(prepared.units):
                unit.of, unit.at, unit.deadline = request, at, deadline
                request.tokens += unit.length
            units += prepared.units
            if not request.missing:  # there is nothing in it to ask
                self._done.put(request)
        self.waiting.put(units)

    def _read(self, request: Request) -> bool:
        """False: it is answered as it came, and waits for that now."""
        header = request.header
        if self._steps is not None:
            request.accept = check_accept(header["accept"], self._settings.default_accept, self._loaded.task)
            request.content = decode(request.body, header["content_type"], self._loaded.task)
            return True
        request.missing, request.queued = 1, time.monotonic()
        self.waiting.put([Unit(None, 0, header.get("deadline", float("inf")), request)])
        return False

    def _prepare(self, contents: list[Any]) -> list[Any]:
        if isinstance(self._steps, TextClassificationSteps):
            return self._steps.prepare_all(contents)
        assert self._steps is not None
        prepared: list[Any] = []
        for content in contents:
            try:
                prepared.append(self._steps.prepare(content))
            except Exception as error:  # whatever the pipeline says of this one request
                prepared.append(error)
        return prepared

    # The model

    def ask_next(self) -> None:
        """Takes a batch of what waits, and asks the model."""
        batch, late = self.waiting.take()
        for unit in late:
            self._fail(unit.of, _too_late())
        if batch:
            self._ask(batch)

    def _ask(self, batch: list[Unit]) -> None:
        batch = [unit for unit in batch if unit.of.error is None]
        if not batch:
            return
        began = time.monotonic()
        outputs: Iterable[Any]
        try:
            outputs = self._outputs(batch)
        except Exception as error:
            if len(batch) > 1:  # one of them is to blame: the others shall not suffer
                for unit in batch:
                    self._ask([unit])
                return
            request = batch[0].of
            self._fail(request, as_request_error(error, request.content, computing=True) or _fault_of(error))
            return
        seconds = time.monotonic() - began
        for unit, output in zip(batch, outputs, strict=True):
            request = unit.of
            if request.prepared is None:
                request.prepared = output
            else:
                request.prepared.outputs[unit.at] = output
            request.began = request.began or began
            request.batch = max(request.batch, len(batch))
            request.model_seconds += seconds
            request.missing -= 1
            if not request.missing:
                self._done.put(request)

    def _outputs(self, batch: list[Unit]) -> list[Any]:
        if self._steps is not None:
            return self._steps.forward(batch)
        request, loaded = batch[0].of, self._loaded
        header = request.header
        return [loaded.own.transform(loaded.model, request.body, header["content_type"], header["accept"], loaded.task)]

    # Answers

    def _fail(self, request: Request, error: Exception) -> None:
        if request.error is None:
            request.error = error
            self._done.put(request)

    def answers(self) -> bytes:
        """Frames of all that is done by now."""
        return b"".join(write_frame(*self._answer(each)) for each in self._all_done())

    def wait_for_answers(self) -> bytes:
        """As `answers`, but waits until there are some. Empty: there will be none."""
        first = self._done.get()
        if first is None:
            return b""
        return write_frame(*self._answer(first)) + self.answers()

    def no_more_answers(self) -> None:
        """To be called when the last batch has been asked."""
        self._done.put(None)

    def _all_done(self) -> Iterator[Request]:
        while not self._done.empty():
            request = self._done.get()
            if request is None:
                self._done.put(None)  # for the one who waits for the end
                return
            yield request

    def _answer(self, request: Request) -> tuple[dict[str, Any], bytes]:
        error = request.error
        status, content_type, body = 200, "", b""
        if error is None:
            try:
                body, content_type = self._body(request)
            except Exception as problem:
                error = as_request_error(problem, request.content, computing=True) or _fault_of(problem)
        if error is not None:
            fault = error if isinstance(error, RequestError) else _fault_of(error)
            status, content_type, body = fault.status, "application/json", fault.body()
        header = {
            "id": request.header.get("id"),
            "status": status,
            "content_type": content_type,
            "queue_ms": round((request.began - request.queued) * 1000, 2) if request.began else 0.0,
            "batch": request.batch,
            "model_ms": round(request.model_seconds * 1000, 2),
            "tokens": request.tokens,
            "gpu_bytes": torch.cuda.memory_allocated() if self._loaded.device != "cpu" else None,
            "error": None if error is None else fault.type,
        }
        return header, body

    def _body(self, request: Request) -> tuple[bytes, str]:
        if self._steps is None:
            answer: tuple[bytes, str] = request.prepared
            return answer
        return encode(self._steps.finish(request.prepared), request.accept)


def _too_late() -> RequestError:
    message = "The model was busy until nobody waited for this answer: send fewer requests at once, or add instances."
    return RequestError(message, field=None, status=503, type="DeadlineExceeded")


def _fault_of(error: Exception) -> RequestError:
    """What a client is told of an error that is not its own."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, IndexError) and "out of range" in str(error):
        return RequestError(f"the model has no place for this input: {one_line(error)}", field="inputs")
    return ModelError(f"the model failed: {one_line(error)}")
