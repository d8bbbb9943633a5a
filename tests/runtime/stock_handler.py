"""The stock toolkit's handler, asked without its server. For the serving image's Python:

    stock_handler.py FOLDER

The folder holds models and requests.json: {model: {"task": HF_TASK, "requests": [[content type, accept, body]]}}, with
bodies in base64. Prints the answers, {model: [[content type, body]]}.
"""

import base64
import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sagemaker_huggingface_inference_toolkit.handler_service import HuggingFaceHandlerService


def answers(model: Path, task: str, requests: list[list[str]]) -> list[list[str]]:
    """As a worker of the model server asks for them, with the toolkit's own order of steps and the model's own code."""
    os.environ["HF_TASK"] = task
    before = list(sys.path)
    service = HuggingFaceHandlerService()
    service.initialize(SimpleNamespace(system_properties={"model_dir": str(model), "batch_size": 1, "gpu_id": 0}))
    answered = [_answer(service, *request) for request in requests]
    sys.path[:] = before
    sys.modules.pop("inference", None)
    importlib.invalidate_caches()
    return answered


def _answer(service: HuggingFaceHandlerService, content_type: str, accept: str, body: str) -> list[str]:
    said: dict[int, str] = {}
    properties = {"Content-Type": content_type, "Accept": accept}
    context: Any = SimpleNamespace(
        request_processor=[SimpleNamespace(get_request_properties=lambda: properties)],
        metrics=SimpleNamespace(add_time=lambda *_: None),
        set_response_content_type=said.__setitem__,
        system_properties=service.context.system_properties,
    )
    service.context = context
    (answer,) = service.handle([{"body": bytearray(base64.b64decode(body))}], context)
    content = answer.encode() if isinstance(answer, str) else bytes(answer)
    return [said[0], base64.b64encode(content).decode()]


def main(folder: Path) -> None:
    asked = json.loads((folder / "requests.json").read_text())
    print(json.dumps({name: answers(folder / name, each["task"], each["requests"]) for name, each in asked.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
