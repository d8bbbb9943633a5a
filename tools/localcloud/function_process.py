"""Runs invocations of Lambda functions, each in a child of its own; a program, never imported.

Argument: the path of the socket on which it is called, see `localcloud.fork_server`. A call tells the task, and the
file for the result; its file 3 is closed once the handler's module is imported. It is Lambda's Python runtime as far as
a handler can tell: its own code and the standard library, boto3 and what boto3 needs, and nothing else that happens to
be installed beside them. Only these are loaded before.
"""

import importlib
import json
import os
import sys
import sysconfig
import time
import traceback
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

_INITIALISED = 3
# What the managed Python runtime carries beside the standard library.
RUNTIME_LIBRARIES = {"boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}


class RuntimeLibraries:
    """Finds the libraries of Lambda's runtime where this interpreter has them, and no other."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if path is None and name in RUNTIME_LIBRARIES:
            return PathFinder.find_spec(name, self._folders)
        return None


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.aws_request_id: str = task["request_id"]
        self.function_name: str = task["function_name"]
        self.function_version = "$LATEST"
        self.invoked_function_arn: str = task["function_arn"]
        self.memory_limit_in_mb = str(task["memory"])
        self.log_group_name: str = task["log_group"]
        self.log_stream_name: str = task["log_stream"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + task["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def log(self, message: str) -> None:
        print(message)


class InitialisationError(Exception):
    """The handler cannot be loaded; error_type is AWS's name for why."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def only_runtime_libraries() -> None:
    """Take everything installed, and everything that a `.pth` file adds, from the import path."""
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    standard = Path(sysconfig.get_path("stdlib")).resolve().parent
    sys.path[:] = [
        entry
        for entry in sys.path
        if entry not in installed and Path(entry).resolve().is_relative_to(standard) and "site-packages" not in entry
    ]
    sys.meta_path.append(RuntimeLibraries(sorted(installed)))


def load(handler: str) -> Any:
    """The handler named `module.function` or `folder/module.function`."""
    module_name, _, function_name = handler.rpartition(".")
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise InitialisationError("Runtime.ImportModuleError", message) from error
    if not hasattr(module, function_name):
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise InitialisationError("Runtime.HandlerNotFound", message)
    return getattr(module, function_name)


def failure(error: BaseException, request_id: str) -> str:
    """The payload with which Lambda answers for an exception."""
    if isinstance(error, InitialisationError):
        kind, frames = error.error_type, []
    else:
        kind = type(error).__name__
        # Without this file's own frames: a reader looks for theirs.
        frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename != __file__]
    return json.dumps(
        {
            "errorMessage": str(error),
            "errorType": kind,
            "requestId": request_id,
            "stackTrace": traceback.format_list(frames),
        }
    )


def invoke(task: dict[str, Any], initialised: int) -> tuple[str, str | None]:
    """The payload, and `Unhandled` where it is an error's."""
    try:
        handler = load(task["handler"])
        os.close(initialised)
        while task["hangs"]:  # until its time is over
            time.sleep(1)
        answer = handler(json.loads(task["event"]), LambdaContext(task))
    except Exception as error:
        traceback.print_exc()
        return failure(error, task["request_id"]), "Unhandled"
    try:
        return json.dumps(answer), None
    except (TypeError, ValueError) as error:
        marshal = InitialisationError("Runtime.MarshalError", f"Unable to marshal response: {error}")
        return failure(marshal, task["request_id"]), "Unhandled"


def answer(told: dict[str, Any]) -> int:
    """told: {task, result}. Returns the exit code."""
    sys.path.insert(0, str(Path.cwd()))
    payload, error = invoke(told["task"], _INITIALISED)
    # Renamed when whole: a process killed while it writes has given no answer.
    result = Path(told["result"])
    partial = result.with_suffix(".partial")
    partial.write_text(json.dumps({"payload": payload, "error": error}))
    partial.rename(result)
    return 0


def main() -> None:
    """Loads what every function needs, and answers calls."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from localcloud.fork_server import serve

    only_runtime_libraries()
    import boto3

    # Once a client is made everything that clients need is imported. This one asks nobody.
    boto3.Session("none", "none", region_name="us-east-1").client("sts")
    serve(sys.argv[1], answer)


if __name__ == "__main__":
    main()
