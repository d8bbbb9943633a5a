"""Requests to an endpoint at a steady rate, whatever it answers, and a count of every answer."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_MOST_AT_ONCE = 64


@dataclass(frozen=True)
class Answer:
    """sent: seconds since the load began. said: the body, or an error's code and words. seconds: until it was there."""

    sent: float
    said: str
    failed: bool
    seconds: float


class SteadyLoad:
    """A context manager: the load begins when it is entered, and all answers are there when it is left.

    The next request does not wait for the one before: an endpoint that is slow, or gone, is asked as often as any.
    """

    def __init__(self, running: Any, endpoint: str, *, body: str, rate: float = 20.0) -> None:
        """running: the embedded AWS. body: JSON. rate: requests per second. Omitted: 20."""
        self._runtime = boto3.Session(region_name="us-east-1").client(
            "sagemaker-runtime",
            endpoint_url=running.endpoint_url,
            aws_access_key_id="123456789012",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=_MOST_AT_ONCE, read_timeout=70),
        )
        self._request = {"EndpointName": endpoint, "ContentType": "application/json", "Body": body}
        self._pause = 1 / rate
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE)
        self._clock = threading.Thread(target=self._run, name=f"load of {endpoint}", daemon=True)
        self.answers: list[Answer] = []
        self.began = 0.0

    def __enter__(self) -> "SteadyLoad":
        self.began = time.monotonic()
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._clock.join()
        self._pool.shutdown()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @property
    def failed(self) -> list[Answer]:
        return [answer for answer in list(self.answers) if answer.failed]

    def said(self, *, since: float = 0.0) -> Counter[str]:
        """How often each answer came, to what was sent in that second or later."""
        return Counter(answer.said for answer in list(self.answers) if answer.sent >= since)

    def last(self, number: int) -> list[Answer]:
        """The answers to what was sent last, of those that are there."""
        return sorted(self.answers, key=lambda answer: answer.sent)[-number:]

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            self._pool.submit(self._ask)
            number += 1
            # By the clock, so that a pause that took too long is made up for.
            self._stopping.wait(max(0.0, number * self._pause - self.seconds))

    def _ask(self) -> None:
        sent = self.seconds
        try:
            said = self._runtime.invoke_endpoint(**self._request)["Body"].read().decode()
            failed = False
        except ClientError as error:
            said, failed = f"{error.response['Error']['Code']}: {error.response['Error']['Message']}", True
        except BotoCoreError as error:
            said, failed = f"{type(error).__name__}: {error}", True
        self.answers.append(Answer(sent, said, failed, self.seconds - sent))
