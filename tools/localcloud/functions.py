"""Lambda functions that run their own code, each invocation in a Python process of its own.

Replaces `LambdaSimpleBackend.invoke` of moto, which answers every invocation with its own input, through
moto's own seam, the class that a `BackendDict` makes backends of.
"""

import base64
import contextlib
import hashlib
import io
import json
import os
import select
import shutil
import tempfile
import threading
import time
import uuid
import zipfile
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from moto.awslambda import urls
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.awslambda_simple.models import LambdaSimpleBackend, lambda_simple_backends
from moto.logs.models import logs_backends

from localcloud import embedded_metrics, events, faults
from localcloud.accounts import credentials
from localcloud.fork_server import Call, ForkServer
from localcloud.function_settings import remember
from localcloud.settings import LocalCloud

_PROCESSES = ForkServer(Path(__file__).with_name("function_process.py"))
# AWS gives the initialisation 10 s of its own before the function's time begins; a busy small machine needs more.
INITIALISED_WITHIN_SECONDS = 60.0
LOG_TAIL_BYTES = 4096


def install(cloud: LocalCloud) -> None:
    """Make moto create this module's backends for Lambda instead of its own."""
    LocalLambda.cloud = cloud
    lambda_simple_backends.backend = LocalLambda


def shutdown() -> None:
    """Ends the process that has Lambda's runtime loaded, and what runs in it."""
    _PROCESSES.stop()


def start(function_arn: str, event: str) -> "Future[Invocation]":
    """Run the function with the event, aside; its errors are the result's, not exceptions.

    Raises UnknownFunctionException where there is no such function.
    """
    _, _, _, region, account, _, name, *qualifier = function_arn.split(":")
    backend: Any = lambda_simple_backends[account][region]
    function = backend.get_function(name, *qualifier)
    result: Future[Invocation] = Future()

    def run() -> None:
        try:
            result.set_result(backend.run(function, event))
        except Exception as error:
            result.set_exception(error)

    threading.Thread(target=run, name=f"function {name}", daemon=True).start()
    return result


@dataclass(frozen=True)
class Invocation:
    """What one invocation answered. error: AWS's `Unhandled`, or None. log: what it wrote, with AWS's own lines."""

    payload: bytes
    error: str | None
    log: str


class LocalLambda(LambdaSimpleBackend):
    """Functions of one account and region. Only Python's run here; another runtime is an error that names it."""

    cloud: ClassVar[LocalCloud]
    _extraction = threading.Lock()

    @property
    def _url_module(self) -> Any:
        return urls  # moto would look for the one beside this module

    def create_function(self, spec: dict[str, Any]) -> LambdaFunction:
        _assert_python(spec.get("Runtime"), spec.get("PackageType"))
        return remember(super().create_function(spec), spec)

    def update_function_configuration(
        self, function_name: str, qualifier: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        _assert_python(body.get("Runtime", "python"), None)
        answer: dict[str, Any] | None = super().update_function_configuration(function_name, qualifier, body)
        return answer

    def invoke(
        self,
        function_name: str,
        qualifier: str | None,
        body: Any,
        headers: Any,
        response_headers: dict[str, str],
    ) -> bytes:
        function = self.get_function(function_name, qualifier)
        _assert_python(function.run_time, function.package_type)
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        event = body.decode() if isinstance(body, bytes) else (body or "{}")
        if kind == "DryRun":
            return b""
        if kind == "Event":
            threading.Thread(target=self._run_for_an_event, args=(function, event), daemon=True).start()
            return b""
        invocation = self.run(function, event)
        if invocation.error:
            response_headers["x-amz-function-error"] = invocation.error
        tail = invocation.log.encode()[-LOG_TAIL_BYTES:]
        response_headers["x-amz-log-result"] = base64.b64encode(tail).decode()
        response_headers["x-amz-executed-version"] = str(function.version)
        response_headers["Content-Length"] = str(len(invocation.payload))
        return invocation.payload

    def run(self, function: LambdaFunction, event: str) -> Invocation:
        """Invoke it and wait for its end."""
        request_id, begun = str(uuid.uuid4()), time.monotonic()
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        code = self._extracted(function)
        with tempfile.TemporaryDirectory(prefix="invocation-", dir=code.parent) as scratch:
            task = {
                "event": event,
                "request_id": request_id,
                "log_group": function.logs_group_name,
                "log_stream": stream,
                "timeout": int(function.timeout),
                "handler": function.handler,
                "function_name": function.function_name,
                "function_arn": function.function_arn,
                "memory": int(function.memory_size),
                "hangs": _hangs(function.function_name, event),
            }
            payload, error, written = _execute(task, code, Path(scratch), self._environment(function, code, stream))
        milliseconds = (time.monotonic() - begun) * 1000
        log = (
            f"START RequestId: {request_id} Version: {function.version}\n{written}"
            f"END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Memory Size: {function.memory_size} MB\n"
        )
        self._write_log(function.logs_group_name, stream, log)
        return Invocation(payload, error, log)

    def _run_for_an_event(self, function: Any, event: str) -> None:
        """Nobody waits for the answer: what fails goes to the dead-letter target. AWS tries twice more before."""
        if self.run(function, event).error and function.dead_letter_target:
            events.send(self.account_id, self.region_name, function.dead_letter_target, event)

    def _extracted(self, function: LambdaFunction) -> Path:
        """The folder with the function's code; the same code is unpacked once."""
        digest = hashlib.sha256(function.code_bytes).hexdigest()[:16]
        folder = self.cloud.state_dir / "functions" / f"{function.function_name}-{digest}"
        with self._extraction:
            if not folder.exists():
                partial = folder.with_name(folder.name + ".partial")
                shutil.rmtree(partial, ignore_errors=True)
                with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                    archive.extractall(partial)
                partial.rename(folder)
        return folder

    def _environment(self, function: LambdaFunction, code: Path, stream: str) -> dict[str, str]:
        """What the runtime sets stands over what the function sets, as on AWS. Nothing of the operator's own."""
        return {
            **{name: str(value) for name, value in (function.environment_vars or {}).items()},
            "AWS_ENDPOINT_URL": self.cloud.endpoint_url,
            "AWS_REGION": self.region_name,
            "AWS_DEFAULT_REGION": self.region_name,
            **credentials(self.account_id),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
            "HF_HUB_OFFLINE": "1",
            "LAMBDA_TASK_ROOT": str(code),
            "LANG": "C.UTF-8",
            "PATH": os.defpath,
            "TZ": "UTC",
            "_HANDLER": function.handler,
        }

    def _write_log(self, group: str, stream: str, log: str) -> None:
        backend = logs_backends[self.account_id][self.region_name]
        now = int(time.time() * 1000)
        backend.ensure_log_group(group)
        backend.create_log_stream(group, stream)
        lines = [line for line in log.splitlines() if line]
        backend.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in lines])
        embedded_metrics.take_in(self.account_id, self.region_name, lines)


def _execute(
    task: dict[str, Any], code: Path, scratch: Path, environment: dict[str, str]
) -> tuple[bytes, str | None, str]:
    """Answers the payload, the error's name or None, and what the process wrote."""
    result, log = scratch / "result.json", scratch / "log"
    initialised, initialised_there = os.pipe()
    told = {"environment": environment, "folder": str(code), "task": task, "result": str(result)}
    with log.open("wb") as written, Path(os.devnull).open("rb") as nothing:
        files = [nothing.fileno(), written.fileno(), written.fileno(), initialised_there]
        with contextlib.closing(_PROCESSES.call(told, files)) as call:
            os.close(initialised_there)
            code_of_exit = _wait(call, initialised, task["timeout"])
    text = log.read_text(errors="replace")
    text += "" if not text or text.endswith("\n") else "\n"
    if code_of_exit is None:
        message = f"RequestId: {task['request_id']} Error: Task timed out after {task['timeout']:.2f} seconds"
        return _failure("Sandbox.Timedout", message), "Unhandled", text + message + "\n"
    if not result.exists():
        message = f"RequestId: {task['request_id']} Error: Runtime exited with error: exit status {code_of_exit}"
        return _failure("Runtime.ExitError", message), "Unhandled", text + message + "\n"
    answer = json.loads(result.read_bytes())
    return answer["payload"].encode(), answer["error"], text


def _wait(call: Call, initialised: int, timeout: int) -> int | None:
    """The exit code. None: the function's time, which begins once its module is imported, is over."""
    try:
        # Readable when the module is imported, and when the process has ended without.
        select.select([initialised], [], [], INITIALISED_WITHIN_SECONDS)
    finally:
        os.close(initialised)
    ended = call.wait(timeout)
    if ended is None:
        call.kill()
        call.wait()
    return ended


def _failure(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _hangs(name: str, event: str) -> bool:
    """Whether that was ordered."""
    return bool(
        faults.waiting(faults.FunctionFault)
        and faults.take(
            faults.FunctionFault, lambda each: faults.named(each.function_hangs, name) and each.matching in event
        )
    )


def _assert_python(runtime: str | None, package_type: str | None) -> None:
    if package_type == "Image" or not str(runtime).startswith("python"):
        wanted = "a container image" if package_type == "Image" else f"the runtime {runtime}"
        raise LambdaClientError(
            "InvalidParameterValueException",
            f"The embedded AWS runs Lambda functions of Python runtimes only; this one needs {wanted}.",
        )
