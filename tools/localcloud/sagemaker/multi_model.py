"""A container with many models: each is brought from S3 and loaded when it is first asked for.

The contract: https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
"""

import hashlib
import http.client
import json
import shutil
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

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
        self._loaded: OrderedDict[str, None] = OrderedDict()  # target models, the least recently used first
        self._loading: dict[str, threading.Lock] = {}  # by target model: nobody loads one twice
        self._lock = threading.Lock()

    def start(self, environment: dict[str, str]) -> None:
        super().start({**environment, "SAGEMAKER_MULTI_MODEL": "true"})

    def invoke(
        self, body: bytes, headers: dict[str, str], path: str = "/invocations", timeout: float | None = None
    ) -> Answer:
        """InvocationRefusedError: no model is asked for, or there is none of that name."""
        target = headers.get(TARGET_MODEL)
        if not target:
            raise InvocationRefusedError(
                "TargetModel is required for a multi-model endpoint: say which model is meant."
            )
        problem = self._load(target)
        if problem:
            return problem
        answer = super().invoke(body, headers, f"/models/{_name(target)}/invoke", timeout)
        if answer.status == http.client.NOT_FOUND:  # it was unloaded meanwhile
            self._forget(target)
            answer = self._load(target) or super().invoke(body, headers, f"/models/{_name(target)}/invoke", timeout)
        if not self._store.is_cached and self._forget(target):
            self._unload(target)
        return answer

    def _load(self, target: str) -> Answer | None:
        """Makes sure that the model is in memory. The server's answer, where it could not load it.

        InvocationRefusedError: there is no such model.
        """
        with self._lock:
            loading = self._loading.setdefault(target, threading.Lock())
        with loading:
            with self._lock:
                if target in self._loaded:
                    self._loaded.move_to_end(target)
                    return None
            folder = self._bring(target)
            request = json.dumps({"model_name": _name(target), "url": str(folder)}).encode()
            while (answer := self._manage("POST", "/models", request)).status == _NO_MEMORY:
                with self._lock:
                    oldest = next(iter(self._loaded), None)
                if oldest is None or not self._forget(oldest):
                    break
                self._unload(oldest)
            if answer.status not in (http.client.OK, http.client.CONFLICT):  # conflict: it is loaded
                shutil.rmtree(folder.parent, ignore_errors=True)
                return answer
            with self._lock:
                self._loaded[target] = None
            return None

    def _bring(self, target: str) -> Path:
        """The folder with the model's files."""
        folder = self._folder / _name(target) / "model"
        if folder.is_dir():
            return folder
        folder.mkdir(parents=True)
        uri = f"{self._store.prefix.rstrip('/')}/{target.lstrip('/')}"
        try:
            download_model(self._s3, uri, folder.with_suffix(".tar.gz"), folder)
        except NoSuchDataError as error:
            shutil.rmtree(folder.parent, ignore_errors=True)
            raise InvocationRefusedError(
                "Failed to download model data. Please ensure that there is an object located at the URL and that the "
                f"role passed to CreateModel has permissions to download the object. {error}"
            ) from None
        return folder

    def _forget(self, target: str) -> bool:
        """Whether it was in memory, as far as is known here."""
        with self._lock:
            known = target in self._loaded
            self._loaded.pop(target, None)
        return known

    def _unload(self, target: str) -> None:
        self._manage("DELETE", f"/models/{_name(target)}")
        shutil.rmtree(self._folder / _name(target), ignore_errors=True)

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


def _name(target: str) -> str:
    """What the server knows it as; AWS hashes it too."""
    return hashlib.sha256(target.encode()).hexdigest()[:32]
