"""Endpoints whose containers are there at once, on an embedded AWS whose minute is a second."""

import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.local.bare_image import bare_image
from tests.local.compute_projects import ROLE, until
from tests.local.embedded_aws import RunningLocalCloud, start_localcloud

# Answers its WORD after DELAY seconds; a word that is a number is the status of its answers.
PROGRAM = """
import http.server, json, os, sys, time
word, delay = os.environ["WORD"], float(os.environ.get("DELAY", "0"))
if word == "unhealthy":
    sys.exit("this model does not load")

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(200, b"")
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(delay)
        self.answer(int(word) if word.isdigit() else 200, json.dumps(word).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        return

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    disable_nagle_algorithm = True

Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""
CHANGING = ("Creating", "Updating", "RollingBack")
VARIANT = "AllTraffic"
Settings = Mapping[str, Any]


@contextmanager
def quick_endpoints(folder: Path) -> Iterator["QuickEndpoints"]:
    """A server of its own, and an image on it. folder: of the server."""
    store = os.environ.get("HFSM_IMAGE_STORE")
    arguments = ("--minute", "1", *(("--image-store", store) if store else ()))
    running = start_localcloud(folder, arguments=arguments)
    try:
        yield QuickEndpoints(running, bare_image(running, PROGRAM, f"tests/quick-{uuid.uuid4().hex[:8]}"))
    finally:
        running.stop()


@dataclass
class Load:
    """Requests at a steady rate. answers: what came back, in order; errors: of those that failed."""

    answers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def counted(self) -> Counter[str]:
        return Counter(self.answers)


@dataclass
class QuickEndpoints:
    """Makes models, configurations and endpoints."""

    running: RunningLocalCloud
    image: str

    def __post_init__(self) -> None:
        self.sagemaker = self.running.client("sagemaker")
        self.runtime = self.running.client("sagemaker-runtime")
        self.cloudwatch = self.running.client("cloudwatch")
        self.s3 = self.running.client("s3")

    def model(self, word: str, *, delay: float = 0.0) -> str:
        """A model that answers with the word; its name."""
        name = f"model-{uuid.uuid4().hex[:8]}"
        container = {"Image": self.image, "Environment": {"WORD": word, "DELAY": str(delay)}}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        return name

    def variant(self, word: str, **settings: Any) -> dict[str, Any]:
        """A variant of such a model. settings: instead of the usual ones, or beside them; None: left out."""
        usual = {"VariantName": VARIANT, "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
        delay = settings.pop("delay", 0.0)
        merged = {**usual, "ModelName": self.model(word, delay=delay), **settings}
        return {name: value for name, value in merged.items() if value is not None}

    def config(self, *variants: Settings, **members: Any) -> str:
        """A configuration; its name. members: of the request, beside its variants."""
        name = f"config-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **members)
        return name

    def create(self, config: str) -> str:
        """An endpoint in service; its name."""
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        described = self.settled(name)
        assert described["EndpointStatus"] == "InService", described
        return name

    def update(self, name: str, config: str, **options: Any) -> None:
        """Begins one."""
        self.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **options)

    def described(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return described

    def settled(self, name: str) -> dict[str, Any]:
        return until(lambda: self.described(name), lambda each: each["EndpointStatus"] not in CHANGING, seconds=60)

    def baking(self, name: str) -> dict[str, Any]:
        """Waits until an update bakes; what DescribeEndpoint then says of it."""

        def look() -> dict[str, Any]:
            pending: dict[str, Any] = self.described(name).get("PendingDeploymentSummary") or {}
            return pending

        def is_baking(pending: dict[str, Any]) -> bool:
            stages = [each for variant in pending.get("ProductionVariants", ()) for each in variant["VariantStatus"]]
            return any(stage["Status"] == "Baking" for stage in stages)

        return until(look, is_baking, seconds=30)

    def ask(self, name: str, body: str = "{}", **options: Any) -> str:
        answer = self.runtime.invoke_endpoint(
            EndpointName=name, Body=body, **{"ContentType": "application/json", **options}
        )
        return str(answer["Body"].read().decode()).strip('"')

    def load(self, name: str) -> AbstractContextManager[Load]:
        """Asks an endpoint 20 times per second while the block runs."""
        return under_load(lambda: self.ask(name))

    def alarm(self, state: str) -> str:
        """An alarm that says so, whatever happens; its name."""
        name = f"alarm-{uuid.uuid4().hex[:8]}"
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="Tests",
            MetricName=name,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="ignore",
        )
        self.ring(name, state)
        return name

    def ring(self, alarm: str, state: str = "ALARM") -> None:
        self.cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="the test says so")


@contextmanager
def under_load(ask: Callable[[], str], *, per_second: float = 20.0) -> Iterator[Load]:
    """Asks while the block runs, each time in a thread of its own."""
    load, over, threads = Load(), threading.Event(), []

    def ask_once() -> None:
        try:
            load.answers.append(ask())
        except ClientError as error:
            load.errors.append(str(error))

    def run() -> None:
        while not over.wait(1 / per_second):
            threads.append(threading.Thread(target=ask_once))
            threads[-1].start()

    asking = threading.Thread(target=run)
    asking.start()
    try:
        yield load
    finally:
        over.set()
        asking.join()
        for thread in threads:
            thread.join()


def blue_green(kind: str, *, wait: int, alarms: tuple[str, ...] = (), keep: int = 0, **sizes: Any) -> dict[str, Any]:
    """A DeploymentConfig. wait: WaitIntervalInSeconds; keep: TerminationWaitInSeconds."""
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **sizes}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": keep}
    return {"BlueGreenUpdatePolicy": policy, **rollback(alarms)}


def rolling(*, wait: int, batch: int, alarms: tuple[str, ...] = ()) -> dict[str, Any]:
    """A DeploymentConfig. batch: instances at a time."""
    size = {"Type": "INSTANCE_COUNT", "Value": batch}
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait}, **rollback(alarms)}


def rollback(alarms: tuple[str, ...]) -> dict[str, Any]:
    listed = [{"AlarmName": name} for name in alarms]
    return {"AutoRollbackConfiguration": {"Alarms": listed}} if listed else {}


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}
