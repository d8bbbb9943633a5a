"""The one process: moto's server, extended by the modules of this package."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any

from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from localcloud import (
    accounts,
    autoscaling,
    cloudformation,
    cloudwatch,
    codebuild,
    control,
    costs,
    events,
    functions,
    parameters,
    registry,
    sagemaker,
    stepfunctions,
    topics,
)
from localcloud.execute_api import ExecuteApi
from localcloud.faulty_apis import FaultyApis
from localcloud.package_tokens import PackageTokens
from localcloud.port import HOST
from localcloud.settings import LocalCloud

_LOOK_EVERY_SECONDS = 0.5


class QuietRequestHandler(MotoRequestHandler):
    """Writes only requests that failed on the server's side or were refused; all of them with --verbose."""

    verbose = False

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        status = int(code) if str(code).isdigit() else 500
        if self.verbose or status >= 400:
            operation = self.headers.get("X-Amz-Target") or ""
            print(f'{self.log_date_time_string()} "{self.requestline}" {operation} {status}', file=sys.stderr)


class UploadsAsTheyCome:
    """WSGI middleware. Python's urllib calls whatever it sends a form; werkzeug would parse it, and S3 see nothing."""

    def __init__(self, aws: Any) -> None:
        self._aws = aws

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        if environ["REQUEST_METHOD"] == "PUT" and form:
            environ["CONTENT_TYPE"] = "binary/octet-stream"
        answer: Iterable[bytes] = self._aws(environ, start_response)
        return answer


def configure_moto(cloud: LocalCloud) -> None:
    """Settings that moto reads when it is used: its own port, its state machine interpreter, Lambda without Docker."""
    os.environ["MOTO_PORT"] = str(cloud.port)
    # Calls that modules make to this server, in this process or a child, never leave the machine.
    os.environ["AWS_ENDPOINT_URL"] = cloud.endpoint_url
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ.pop("AWS_PROFILE", None)
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    default_user_config["lambda"]["use_docker"] = False
    default_user_config["batch"]["use_docker"] = False
    # AWS's own managed policies exist in every account; stacks attach them by name.
    default_user_config["iam"]["load_aws_managed_policies"] = True


def install_modules(cloud: LocalCloud) -> None:
    accounts.install()
    modules = (
        cloudformation,
        stepfunctions,
        functions,
        codebuild,
        registry,
        parameters,
        events,
        cloudwatch,
        autoscaling,
        topics,
        costs,
        sagemaker,
    )
    for module in modules:
        module.install(cloud)


def serve(cloud: LocalCloud, listener: socket.socket, *, verbose: bool = False) -> None:
    """Serve on `listener` until SIGTERM, SIGINT or a shutdown request; then stop every container process and return."""
    QuietRequestHandler.verbose = verbose
    configure_moto(cloud)
    cloud.state_dir.mkdir(parents=True, exist_ok=True)
    cloud.image_store.mkdir(parents=True, exist_ok=True)
    install_modules(cloud)
    stopping = threading.Event()
    _stop_on((signal.SIGTERM, signal.SIGINT), stopping)
    server = make_server(
        HOST,
        cloud.port,
        ExecuteApi(
            cloud,
            control.ControlRoutes(
                cloud,
                FaultyApis(PackageTokens(UploadsAsTheyCome(DomainDispatcherApplication(create_backend_app)))),
                stop=stopping.set,
            ),
        ),
        threaded=True,
        request_handler=QuietRequestHandler,
        fd=listener.fileno(),
    )
    threading.Thread(target=server.serve_forever, name="localcloud-http", daemon=True).start()
    print(f"localcloud ready at {cloud.endpoint_url}", flush=True)
    try:
        # Not for ever: a signal that another thread has taken does not wake this one, in which it is handled.
        while not stopping.wait(_LOOK_EVERY_SECONDS):
            pass
    finally:
        codebuild.shutdown()
        cloudwatch.shutdown()
        autoscaling.shutdown()
        functions.shutdown()
        sagemaker.shutdown()
        server.shutdown()
        server.server_close()


def _stop_on(signals: Iterable[signal.Signals], stopping: threading.Event) -> None:
    for number in signals:
        signal.signal(number, lambda *_: stopping.set())
