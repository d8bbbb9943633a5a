"""What the serving container is told: by its environment variables, and by image_settings.json that its build wrote."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

_YES = {"1", "true", "yes", "on", "y", "t"}
_NO = {"0", "false", "no", "off", "n", "f", ""}
_DTYPES = ("auto", "float32", "float16", "bfloat16")
# SageMaker ends a request after 60 s; an answer that says so has to be there before.
_LONGEST_ANSWER = 55.0
_MEGABYTE = 1024 * 1024
_Number = TypeVar("_Number", int, float)


class SettingsError(Exception):
    """Everything that is wrong with the settings: one line each, which name the variable and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What only whoever builds the image may decide; whoever deploys a model cannot widen it."""

    server: str = "batching"  # "batching": the server beside this file; "toolkit": Hugging Face's toolkit
    trust_remote_code: bool = False  # whether HF_TRUST_REMOTE_CODE may be set
    allow_pickle: bool = False  # whether weights may be pickles, which run code when they are loaded

    @classmethod
    def read(cls, folder: Path) -> "ImageSettings":
        """Of image_settings.json in the folder; the defaults where there is none.

        SettingsError: no JSON object, or a name or value that is not known.
        """
        file = folder / "image_settings.json"
        if not file.is_file():
            return cls()
        try:
            values = json.loads(file.read_text("utf-8"))
        except ValueError as error:
            raise SettingsError([f"{file.name} is not JSON ({error}): build the image again"]) from error
        known = {each.name for each in fields(cls)}
        if not isinstance(values, dict) or not set(values) <= known:
            raise SettingsError([f"{file.name} has to be an object with {', '.join(sorted(known))} only"])
        settings = cls(**values)
        if settings.server not in ("batching", "toolkit"):
            raise SettingsError([f"{file.name}: server {settings.server!r} has to be batching or toolkit"])
        for name in ("trust_remote_code", "allow_pickle"):
            if not isinstance(getattr(settings, name), bool):
                raise SettingsError([f"{file.name}: {name} has to be true or false"])
        return settings


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """What the environment says, with the toolkit's names where it has them. Times are seconds, sizes bytes."""

    model_folder: Path  # $SAGEMAKER_BASE_DIR/model
    port: int  # SAGEMAKER_BIND_TO_PORT
    host: str  # HFSM_BIND_TO_HOST; SageMaker asks from outside the container
    metrics_port: int | None  # HFSM_METRICS_PORT, of 127.0.0.1; None: no Prometheus text
    workers: int | None  # SAGEMAKER_MODEL_SERVER_WORKERS; None: one for each GPU, one without
    task: str | None  # HF_TASK; None: as the model's architecture says
    program: str  # SAGEMAKER_PROGRAM without .py: the module of <model>/code
    default_accept: str  # SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT: the answer's type where the request names none
    hub_model: str | None  # HF_MODEL_ID: a model of a hub, or a folder; None: model_folder
    hub_revision: str | None  # HF_MODEL_REVISION
    token_secret_arn: str | None  # HF_TOKEN_SECRET_ARN: where Secrets Manager holds the hub's token
    hub_token: str | None = field(repr=False)  # HF_API_TOKEN or HF_TOKEN; a secret is better, SageMaker shows variables
    trust_remote_code: bool  # HF_TRUST_REMOTE_CODE
    allow_pickle: bool  # of the image's settings
    max_batch_size: int  # HFSM_MAX_BATCH_SIZE: inputs
    max_batch_delay: float  # HFSM_MAX_BATCH_DELAY_MS: how long a batch may wait for more
    max_batch_tokens: int  # HFSM_MAX_BATCH_TOKENS: after padding
    max_queue: int  # HFSM_MAX_QUEUE: requests of one worker that are accepted and not answered
    request_timeout: float  # HFSM_REQUEST_TIMEOUT_SECONDS; SAGEMAKER_MODEL_SERVER_TIMEOUT(_SECONDS) can shorten it
    max_request_bytes: int  # HFSM_MAX_REQUEST_MB, or SAGEMAKER_MAX_PAYLOAD_IN_MB
    dtype: str  # HFSM_DTYPE: auto is float16 on a GPU and float32 without
    torch_compile: bool  # HFSM_TORCH_COMPILE

    @classmethod
    def read(cls, variables: Mapping[str, str], image: ImageSettings) -> "ServerSettings":
        """Raises SettingsError with all problems at once."""
        reader = _Reader(variables)
        if reader.boolean("SAGEMAKER_MULTI_MODEL"):
            reader.problem("SAGEMAKER_MULTI_MODEL is true: only an image with the server `toolkit` serves many models")
        trust_remote_code = reader.boolean("HF_TRUST_REMOTE_CODE")
        if trust_remote_code and not image.trust_remote_code:
            reader.problem(
                "HF_TRUST_REMOTE_CODE is set, but this image runs no code of models: "
                "leave it out, or build the image with trust_remote_code"
            )
        settings = cls(
            model_folder=Path(reader.text("SAGEMAKER_BASE_DIR") or "/opt/ml") / "model",
            port=reader.whole("SAGEMAKER_BIND_TO_PORT", 8080, 1, 65535),
            host=reader.text("HFSM_BIND_TO_HOST") or "0.0.0.0",
            metrics_port=reader.whole("HFSM_METRICS_PORT", 0, 1, 65535) or None,
            workers=reader.whole("SAGEMAKER_MODEL_SERVER_WORKERS", 0, 1, 1024) or None,
            task=reader.text("HF_TASK"),
            program=reader.module("SAGEMAKER_PROGRAM", "inference"),
            default_accept=reader.media_type("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "application/json"),
            hub_model=reader.text("HF_MODEL_ID"),
            hub_revision=reader.text("HF_MODEL_REVISION"),
            token_secret_arn=reader.secret_arn("HF_TOKEN_SECRET_ARN"),
            hub_token=reader.text("HF_API_TOKEN") or reader.text("HF_TOKEN"),
            trust_remote_code=trust_remote_code,
            allow_pickle=image.allow_pickle,
            max_batch_size=reader.whole("HFSM_MAX_BATCH_SIZE", 32, 1, 4096),
            max_batch_delay=reader.number("HFSM_MAX_BATCH_DELAY_MS", 0.0, 0.0, 10_000.0) / 1000,
            max_batch_tokens=reader.whole("HFSM_MAX_BATCH_TOKENS", 16384, 1, 10_000_000),
            max_queue=reader.whole("HFSM_MAX_QUEUE", 256, 1, 100_000),
            request_timeout=reader.timeout(),
            max_request_bytes=reader.whole(
                "HFSM_MAX_REQUEST_MB", reader.whole("SAGEMAKER_MAX_PAYLOAD_IN_MB", 25, 1, 1024), 1, 1024
            )
            * _MEGABYTE,
            dtype=reader.choice("HFSM_DTYPE", _DTYPES),
            torch_compile=reader.boolean("HFSM_TORCH_COMPILE"),
        )
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


class _Reader:
    """Reads variables and keeps what is wrong with them; an empty variable is one that is not there."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []

    def problem(self, text: str) -> None:
        self.problems.append(text)

    def text(self, name: str) -> str | None:
        return self._variables.get(name, "").strip() or None

    def boolean(self, name: str) -> bool:
        value = (self.text(name) or "").lower()
        if value not in _YES | _NO:
            self.problem(f"{name} is {value!r}: set it to true or false")
        return value in _YES

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The first choice is the default."""
        value = self.text(name) or choices[0]
        if value not in choices:
            self.problem(f"{name} is {value!r}: set it to one of {', '.join(choices)}")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        return self._bounded(name, int, "whole number", default, least, most)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        return self._bounded(name, float, "number", default, least, most)

    def _bounded(
        self, name: str, parse: Callable[[str], _Number], kind: str, default: _Number, least: float, most: float
    ) -> _Number:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = parse(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:  # NaN is in no range
            self.problem(f"{name} is {text!r}: set it to a {kind} from {least:g} to {most:g}")
            return default
        return value

    def timeout(self) -> float:
        """Longer than a request of SageMaker's can take only by our own name: the toolkit's is often set to hours."""
        toolkit = self.number("SAGEMAKER_MODEL_SERVER_TIMEOUT", _LONGEST_ANSWER, 1, 86_400)
        toolkit = self.number("SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", toolkit, 1, 86_400)
        # Asynchronous endpoints and transform jobs wait for up to an hour.
        return self.number("HFSM_REQUEST_TIMEOUT_SECONDS", min(toolkit, _LONGEST_ANSWER), 1, 3600)

    def module(self, name: str, default: str) -> str:
        text = self.text(name) or default
        value = text.removesuffix(".py")
        if not value.isidentifier():
            self.problem(f"{name} is {text!r}: name a file at the top of the model's folder code, such as inference.py")
        return value

    def media_type(self, name: str, default: str) -> str:
        value = self.text(name) or default
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", value):
            self.problem(f"{name} is {value!r}: set it to one content type, such as {default}")
        return value

    def secret_arn(self, name: str) -> str | None:
        value = self.text(name)
        if value and not re.fullmatch(r"arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+", value):
            # The value is not shown: somebody may have put the token itself here.
            self.problem(f"{name} is no ARN of a secret of Secrets Manager: set it to the secret's whole ARN")
        return value
