"""The Hugging Face inference toolkit's own server: makes sure that the model answers, then becomes it.

The server on its own says that it is healthy before it has loaded the model, and goes on saying so when it cannot: the
endpoint comes into service and answers every request with an error. Here the container ends instead, and the last line
of its log says why.
"""

import os
import sys
from typing import NoReturn

from model_check import ModelLoadError, check_model

_SERVER = "sagemaker_huggingface_inference_toolkit.serving"


def run() -> NoReturn:
    """Replaces this process by the toolkit's server, or ends it with exit code 1 and the reason.

    A multi-model endpoint's container begins without a model: there is nothing to make sure of.
    """
    workers = max(1, int(os.environ.setdefault("SAGEMAKER_MODEL_SERVER_WORKERS", "1")))
    # Each worker's torch would otherwise use all cores.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // workers)))
    # Threads that wait actively take the cores from the server's front end.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        if os.environ.get("SAGEMAKER_MULTI_MODEL") != "true":
            print(check_model(), flush=True)
    except ModelLoadError as error:
        sys.stdout.flush()
        print(f"model cannot be loaded: {error}", file=sys.stderr, flush=True)
        sys.stderr.flush()
        os._exit(1)  # what the model's own code has started must not keep the container alive
    os.execv(sys.executable, [sys.executable, "-m", _SERVER])
