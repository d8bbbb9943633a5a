"""Code of the model's own: <model>/code/inference.py with the toolkit's functions, and code/requirements.txt."""

import fcntl
import hashlib
import importlib
import inspect
import os
import site
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import content
import json_text
from request_errors import ModelError, RequestError, one_line

# The functions, and how many arguments each has before the optional `context`.
_ARGUMENTS = {"model_fn": 1, "input_fn": 2, "predict_fn": 2, "output_fn": 2, "transform_fn": 4}


class OwnCodeError(Exception):
    """The reason why the model's own code cannot be used, in one line."""


class Context:
    """What the functions get as `context`: the part of the toolkit's (MMS's) that is known of a request here."""

    def __init__(self, folder: Path, gpu: int | None, headers: Mapping[str, str]) -> None:
        self.model_name = "model"
        self.manifest: dict[str, Any] = {}
        self.system_properties = {
            "model_dir": str(folder),
            "gpu_id": gpu,
            "batch_size": 1,
            "server_name": "hf-sagemaker",
            "server_version": "1",
        }
        self.request_processor = [_RequestProcessor(headers)]

    def get_request_header(self, index: int, name: str) -> str | None:
        """A request's header; of all headers Content-Type and Accept reach the code."""
        return self.request_processor[index].get_request_property(name)

    def get_all_request_header(self, index: int) -> dict[str, str]:
        """The headers that get_request_header knows."""
        return self.request_processor[index].get_request_properties()

    def set_response_content_type(self, index: int, value: str) -> None:
        """Replaces the answer's content type, which is what the request accepts otherwise."""
        self.request_processor[index].content_type = value


class _RequestProcessor:
    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)
        self.content_type: str | None = None

    def get_request_properties(self) -> dict[str, str]:
        return self._headers

    def get_request_property(self, name: str) -> str | None:
        return next((value for key, value in self._headers.items() if key.lower() == name.lower()), None)


class OwnCode:
    """The functions that the model's own code has; None for each that is the server's."""

    def __init__(self, folder: Path, functions: Mapping[str, Callable[..., Any]], default_accept: str) -> None:
        self.model_fn = functions.get("model_fn")
        self.input_fn = functions.get("input_fn")
        self.predict_fn = functions.get("predict_fn")
        self.output_fn = functions.get("output_fn")
        self.transform_fn = functions.get("transform_fn")
        self._takes_context = {name: _takes_context(name, function) for name, function in functions.items()}
        self._folder = folder
        self._default_accept = default_accept
        self._gpu: int | None = None
        self.calls_model = False  # the model is no pipeline: it is called as it is, one request at a time

    @classmethod
    def load(cls, folder: Path, program: str, default_accept: str = content.JSON) -> "OwnCode":
        """The functions of the module `program` in <folder>/code, which is put on sys.path; none where it is not there.

        OwnCodeError: the module cannot be imported, or its functions are not as the toolkit wants them.
        """
        code = folder / "code"
        if not code.is_dir():
            return cls(folder, {}, default_accept)
        sys.path.insert(0, str(code))
        importlib.invalidate_caches()  # requirements may just have been installed
        if not (code / f"{program}.py").is_file() and not (code / program).is_dir():
            return cls(folder, {}, default_accept)
        module = _import(code, program)
        functions = {name: function for name in _ARGUMENTS if (function := getattr(module, name, None)) is not None}
        others = [name for name in ("input_fn", "predict_fn", "output_fn") if name in functions]
        if "transform_fn" in functions and others:
            raise OwnCodeError(
                f"{program}.py has transform_fn and {', '.join(others)}: transform_fn replaces the others, keep one way"
            )
        return cls(folder, functions, default_accept)

    @property
    def handles_requests(self) -> bool:
        """Whether requests go through code of the model's own; they run one by one then."""
        functions = self.input_fn or self.predict_fn or self.output_fn or self.transform_fn
        return bool(functions) or self.calls_model

    def load_model(self, gpu: int | None) -> Any:
        """What model_fn returns. gpu: the index of the device; None: there is none."""
        assert self.model_fn is not None
        self._gpu = gpu
        return self._call("model_fn", self.model_fn, [str(self._folder)], Context(self._folder, gpu, {}))

    def transform(
        self, model: Any, body: bytes, content_type: str | None, accept: str | None, task: str | None
    ) -> tuple[bytes, str]:
        """(body, content type) of the answer: input_fn, predict_fn and output_fn, or transform_fn, as the toolkit does.

        RequestError: the server's part of the work refuses the request. ModelError: the code fails.
        """
        kind = (content_type or content.JSON).partition(";")[0].strip().lower()
        wanted = self._default_accept if accept in (None, "", "*/*") else accept
        if not (self.output_fn or self.transform_fn):
            wanted = content.check_accept(accept, self._default_accept)
        context = Context(self._folder, self._gpu, {"Content-Type": kind, "Accept": wanted})
        data: Any = body
        if (self.transform_fn or self.input_fn) and kind in (content.JSON, content.CSV):
            data = _text(body)  # as the toolkit: all else stays bytes
        if self.transform_fn:
            answer = self._call("transform_fn", self.transform_fn, [model, data, kind, wanted], context)
            return _answer(answer, context, wanted)
        if self.input_fn:
            request = self._call("input_fn", self.input_fn, [data, kind], context)
        else:
            request = content.decode(body, content_type, None if self.predict_fn else task)
        if self.predict_fn:
            prediction = self._call("predict_fn", self.predict_fn, [request, model], context)
        else:
            prediction = _predict(request, model)
        if self.output_fn:
            return _answer(self._call("output_fn", self.output_fn, [prediction, wanted], context), context, wanted)
        return content.encode(prediction, wanted)

    def _call(self, name: str, function: Callable[..., Any], arguments: list[Any], context: Context) -> Any:
        if self._takes_context[name]:
            arguments = [*arguments, context]
        try:
            result = function(*arguments)
        except RequestError:
            raise
        except Exception as error:
            if name == "model_fn":
                raise
            raise ModelError(f"{name} of the model's code failed: {one_line(error)}") from error
        if inspect.iscoroutine(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
            if inspect.iscoroutine(result):
                result.close()  # or Python warns that nobody waited for it
            raise ModelError(f"{name} of the model's code returns a {type(result).__name__}: return the value itself")
        return result


def install_requirements(folder: Path) -> None:
    """Installs code/requirements.txt of the model's folder with pip, once for all workers; nothing without the file.

    Packages come beside the image's where those can be written to, else into a scratch folder.
    OwnCodeError: pip's reason, and where packages belong when there is no network.
    """
    file = folder / "code/requirements.txt"
    if not file.is_file():
        return
    scratch = Path(tempfile.gettempdir()) / f"hf-sagemaker-packages-{os.getppid()}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    with (scratch / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait for the first
        done = scratch / hashlib.sha256(file.read_bytes()).hexdigest()
        if not done.is_file():
            print(f"installing {file}", flush=True)
            _pip_install(file, scratch)
            done.touch()
    for packages in scratch.glob("lib/python*/site-packages"):
        site.addsitedir(str(packages))


def _pip_install(file: Path, scratch: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-r", str(file)]
    environment = {**os.environ, "PYTHONUSERBASE": str(scratch)}  # where pip goes when it may not write to the image's
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode == 0:
        return
    output = done.stdout.decode("utf-8", "replace")
    print(output, flush=True)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "pip says nothing")
    hint = ""
    if _is_about_the_network(output):
        hint = "; the container reaches no package index: put the packages into the image (its requirements) instead"
    raise OwnCodeError(f"code/requirements.txt cannot be installed: {reason}{hint}")


def _is_about_the_network(output: str) -> bool:
    signs = ("connection broken by", "NewConnectionError", "Failed to establish", "name resolution", "ProxyError")
    return any(sign in output for sign in signs)


def _import(code: Path, program: str) -> Any:
    for name in {path.stem for path in code.iterdir()}:
        # The server's modules have plain names, which the model's may have, too. The server's are all imported by now.
        if name in sys.modules and _is_the_servers(sys.modules[name]):
            del sys.modules[name]
    try:
        return importlib.import_module(program)
    except BaseException as error:  # it may even exit
        if isinstance(error, KeyboardInterrupt):
            raise
        raise OwnCodeError(f"code/{program}.py cannot be imported: {one_line(error)}") from error


def _is_the_servers(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return bool(file) and Path(file).parent == Path(__file__).parent


def _takes_context(name: str, function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise OwnCodeError(f"{name} is asynchronous or a generator: make it a function that returns its value")
    count, least = len(inspect.signature(function).parameters), _ARGUMENTS[name]
    if count not in (least, least + 1):
        raise OwnCodeError(f"{name} takes {count} arguments, but has to take {least}, or {least + 1} with context")
    return count > least


def _predict(request: Any, model: Any) -> Any:
    """The toolkit's default: the model is called with the inputs, and the parameters by name."""
    if not isinstance(request, dict):
        raise RequestError("the body has to be an object with `inputs`", field="body")
    inputs = request.pop("inputs", request)
    parameters = request.pop("parameters", None) or {}
    if not isinstance(parameters, dict):
        raise RequestError("`parameters` has to be an object", field="parameters")
    try:
        return model(inputs, **parameters)
    except Exception as error:
        wrong = content.as_request_error(error, {"inputs": inputs, "parameters": parameters}, computing=True)
        raise wrong or ModelError(f"the model failed: {one_line(error)}") from error


def _answer(answer: Any, context: Context, accept: str) -> tuple[bytes, str]:
    media_type = context.request_processor[0].content_type or accept
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], str):
        answer, media_type = answer  # as SageMaker's other toolkits have it
    if isinstance(answer, (bytes, bytearray, memoryview)):
        return bytes(answer), media_type
    if isinstance(answer, str):
        return answer.encode(), media_type
    return json_text.dump(answer).encode(), media_type


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"the body is not utf-8: {error}", field="body") from None
