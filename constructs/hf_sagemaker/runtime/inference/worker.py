"""A model worker: the process that holds the model. The front end starts it and talks to it over a socket.

See worker_loops for how it goes round between requests, model and answers.
"""

import argparse
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model_loading import ModelLoadError, load_model
from server_settings import ImageSettings, ServerSettings
from wire import write_frame

# How long one thread may keep the interpreter while another waits for it: the model's thread waits often, and briefly.
_SWITCH_SECONDS = 0.0005


def main(arguments: list[str], variables: Mapping[str, str]) -> None:
    """Loads the model, says so, and serves until the socket is closed. Exit code 1: the model cannot be loaded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--gpu", type=int)
    options = parser.parse_args(arguments)
    # A signal to the whole group is the front end's to answer: it closes the socket when everything is answered.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    settings = ServerSettings.read(variables, ImageSettings.read(Path(__file__).parent))
    connection = socket.socket(fileno=options.socket)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        serve = _get_ready(settings, options.gpu, connection)
    except ModelLoadError as error:
        _give_up(connection, str(error))
    except Exception as error:
        traceback.print_exc()
        _give_up(connection, " ".join(f"{type(error).__name__}: {error}".split()))
    serve()
    _end(0)


def _get_ready(settings: ServerSettings, gpu: int | None, connection: socket.socket) -> Callable[[], None]:
    """ModelLoadError: it cannot be loaded, or does not answer."""
    if settings.hub_model is None:  # transformers decides on its import whether it may ask the hub for what is missing
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    # Before the model's own code is on sys.path, which may have modules of the same names.
    from answering import Answering
    from worker_loops import serve_in_threads, serve_in_turn

    loaded = load_model(settings, gpu)
    answering = Answering(loaded, settings)
    what = answering.warm_up()
    connection.sendall(write_frame({"ready": what, "device": loaded.device, "threads": answering.threads}))
    gc.collect()
    gc.freeze()  # the model and all libraries stay: nobody needs to look through them again
    serve = serve_in_turn if loaded.device == "cpu" else serve_in_threads
    return lambda: serve(answering, connection)


def _give_up(connection: socket.socket, reason: str) -> None:
    connection.sendall(write_frame({"failed": reason}))
    _end(1)


def _end(code: int) -> Any:
    """At once: what the model's own code has started must not keep the process alive."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
