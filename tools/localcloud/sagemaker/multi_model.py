"""A container with many models: each is brought from S3 and loaded when it is first asked for.

The contract: https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

import http.client
import json
import shutil
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from localcloud.images.container import Container
from localcloud.log_stream import LogStream
from localcloud.sagemaker.refusal import InvocationRefusedError
from localcloud.sagemaker.registry import ModelStore
from localcloud.sagemaker.s3 import NoSuchDataError, download_model
from localcloud.sagemaker.serving_container import Answer, ServingContainer

TARGET_MODEL = "X-Amzn-SageMaker-Target-Model"
LOADING_TIMEOUT = 60.0  # seconds
_NO_MEMORY = 507


class MultiModelContainer(ServingContainer):
    """One container of a multi-model endpoint."""

    def __init__(self, container: Container, variant: str, log: LogStream, store: ModelStore, s3: Any) -> None:
        super().__init__(container, variant, log)
        self._store = store
        self._s3 = s3
        self._folder = container.opt_ml / "models"
        self._loaded: OrderedDict[str, str] = OrderedDict()  # target model → its name there, least recently used first
        self._lock = threading.RLock()

    def start(self, environment: dict[str, str]) -> None:
        super().start({**environment, "SAGEMAKER_MULTI_MODEL": "true"})

    @property
    def loaded(self) -> list[str]:
        """Target models that are in memory, the least recently used first."""
        with self._lock:
            return list(self._loaded)

    def invoke(
        self, body: bytes, headers: dict[str, str], path: str = "/invocations", timeout: float | None = None
    ) -> Answer:
        """InvocationRefusedError: no model is asked for, or there is none of that name."""
        target = headers.get(TARGET_MODEL)
        if not target:
            raise InvocationRefusedError(
                "TargetModel is required for a multi-model endpoint: say which model is meant."
            )
        name, problem = self._load(target)
        if problem:
            return problem
        answer = super().invoke(body, headers, f"/models/{quote(name)}/invoke", timeout)
        if answer.status == http.client.NOT_FOUND:  # the server has unloaded it by itself
            with self._lock:
                self._loaded.pop(target, None)
            name, problem = self._load(target)
            answer = problem or super().invoke(body, headers, f"/models/{quote(name)}/invoke", timeout)
        if not self._store.is_cached:
            with self._lock:
                if target in self._loaded:
                    self._unload(target)
        return answer

    def _load(self, target: str) -> tuple[str, Answer | None]:
        """The model's name in the server, and the server's answer where it could not load it."""
        with self._lock:
            if target in self._loaded:
                self._loaded.move_to_end(target)
                return self._loaded[target], None
            name = target.replace("/", "-")
            folder = self._bring(target, name)
            request = json.dumps({"model_name": name, "url": str(folder)}).encode()
            while True:
                answer = self._manage("POST", "/models", request)
                if answer.status != _NO_MEMORY or not self._loaded:
                    break
                self._unload(next(iter(self._loaded)))
            if answer.status not in (http.client.OK, http.client.CONFLICT):  # conflict: it is loaded
                shutil.rmtree(folder, ignore_errors=True)
                return name, answer
            self._loaded[target] = name
            return name, None

    def _bring(self, target: str, name: str) -> Path:
        """The folder with the model's files."""
        folder = self._folder / name / "model"
        if folder.is_dir():
            return folder
        folder.mkdir(parents=True)
        uri = f"{self._store.prefix.rstrip('/')}/{target.lstrip('/')}"
        try:
            download_model(self._s3, uri, self._folder / f"{name}.tar.gz", folder)
        except NoSuchDataError as error:
            shutil.rmtree(folder.parent, ignore_errors=True)
            raise InvocationRefusedError(f"Failed to download model data: {error}") from None
        return folder

    def _unload(self, target: str) -> None:
        name = self._loaded.pop(target)
        self._manage("DELETE", f"/models/{quote(name)}")
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def _manage(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Waits as long as the server has no thread left for it."""
        deadline = time.monotonic() + LOADING_TIMEOUT
        while True:
            answer = self._managed(method, path, body)
            if answer.status != http.client.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                return answer
            time.sleep(0.1)

    def _managed(self, method: str, path: str, body: bytes | None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LOADING_TIMEOUT)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()
