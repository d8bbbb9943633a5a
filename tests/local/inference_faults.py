"""Faults of endpoints, each brought about under a load of 20 requests per second, and what callers saw of it."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from aws_cdk import Duration

from hf_sagemaker.production_variant import VARIANT
from hf_sagemaker.serving import Serving
from hf_sagemaker.update_safety import UpdateSafety
from tests.local.compute_projects import Projects, archive, log_lines, until
from tests.local.control import control
from tests.local.embedded_aws import Stacks
from tests.local.faulty_endpoint import CODE, ENVIRONMENT, SHARED, WORDS, Declared, templates
from tests.local.serving_image import serving_image
from tests.local.steady_load import SteadyLoad

TAKEN = "/tests/inference-faults/taken"
MINUTE = 2.0
"""Seconds that a minute of AWS lasts: of alarms, and of waits in updates."""
_BODY = json.dumps({"inputs": "what do you say?"})
_AT_ONCE = 2  # containers that start take both cores
_BEFORE, _AFTERWARDS = 2.0, 3.0  # seconds of load before the fault, and when it is over
_CANARY = UpdateSafety(strategy="canary", size_percent=30)
_SMALL_CANARY = UpdateSafety(strategy="canary", size_percent=20)
_NO_GUARD = UpdateSafety(strategy="all-at-once", wait=0, rollback_alarms=())


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault, and what is to follow.

    fault: in words. name: of the stack and its endpoint, behind the environment's.
    before, after: what is declared, and what is deployed then. after omitted: it is not another deployment.
    status: of the stack in the end. words: in the reason of whatever failed.
    says: the words of the models that answer in the end. most_failed: requests; None: all, until it is over.
    registered: the variants that scale in the end. load_seconds: the least that the load lasts.
    """

    fault: str
    name: str
    before: Declared = field(default_factory=Declared)
    after: Declared | None = None
    status: str = "UPDATE_ROLLBACK_COMPLETE"
    words: str = ""
    says: str = "first"
    most_failed: int | None = 0
    registered: tuple[str, ...] = (VARIANT,)
    load_seconds: float = 0.0

    @property
    def expected(self) -> str:
        """In a line of the report."""
        failed = f"at most {self.most_failed} requests fail" if self.most_failed else "no request fails"
        if self.most_failed is None:
            failed = "requests fail until it is over"
        scaling = f"{' and '.join(self.registered)} scales"
        return f"{self.status}, {self.says!r} answers in the end, {scaling}, {failed}"

    @property
    def endpoint(self) -> str:
        return f"{ENVIRONMENT}-{self.name}"


WORKER_KILLED = Row(
    fault="a worker is killed under load",
    name="worker",
    before=Declared(word="busy", workers=2),
    status="CREATE_COMPLETE",
    says="busy",
    most_failed=5,  # what it had, and what was on its way
)
DELETED = Row(
    fault="the endpoint is deleted by hand",
    name="deleted",
    status="CREATE_COMPLETE",
    most_failed=None,
)
SCALING = Row(
    fault="an update while a scaling activity runs",
    name="scaling",
    after=Declared(word="second"),
    status="UPDATE_COMPLETE",
    says="second",
)
CANCELLED = Row(
    fault="the update is cancelled half-way",
    name="cancelled",
    after=Declared(word="second"),
)
ROWS = (
    Row(
        fault="an update, a minute of load across it",
        name="update",
        after=Declared(word="second"),
        status="UPDATE_COMPLETE",
        says="second",
        load_seconds=60,
    ),
    Row(
        fault="the model does not load",
        name="model",
        after=Declared(word="does-not-load"),
        words="this model does not load",
    ),
    Row(
        fault="the image is not there",
        name="image",
        after=Declared(digest="sha256:" + "0" * 64),
        words="Cannot find the requested image",
    ),
    Row(
        fault="the handler raises on every request",
        name="raises",
        after=Declared(word="raises", update=_CANARY),
        words="alarm",
        most_failed=150,  # three of ten, until two minutes of alarms have passed
    ),
    Row(
        fault="the model is ten times slower",
        name="slow",
        before=Declared(latency=Duration.millis(180)),
        after=Declared(word="slow", latency=Duration.millis(180), update=_SMALL_CANARY),
        words="alarm",
    ),
    SCALING,
    Row(
        fault="the instance type changes",
        name="type",
        after=Declared(word="second", instance_type="ml.g5.xlarge"),
        status="UPDATE_COMPLETE",
        says="second",
    ),
    Row(
        fault="the instance type changes, and the model does not load",
        name="type-back",
        after=Declared(word="does-not-load", instance_type="ml.g5.xlarge"),
        words="this model does not load",
    ),
    Row(
        fault="a variant is removed",
        name="variant",
        before=Declared(second_variant=True, update=_NO_GUARD),
        after=Declared(update=_NO_GUARD),
        status="UPDATE_COMPLETE",
    ),
    Row(
        fault="the smoke request fails",
        name="smoke",
        after=Declared(word="fails-the-example"),
        words="example",
    ),
    CANCELLED,
    Row(
        fault="the update is interrupted half-way: the endpoint has changed, and what comes after it fails",
        name="half-way",
        after=Declared(word="second", taken_parameter=TAKEN),
        words="already exists",
    ),
    WORKER_KILLED,
    DELETED,
)


@dataclass
class Outcome:
    """What was seen of one fault.

    stack: its status in the end. reasons: of what failed, by logical id. seconds: until the fault was over.
    registered: the variants that scale in the end. more: what was seen on the way, in words of the report.
    """

    load: SteadyLoad
    stack: str
    reasons: dict[str, str]
    seconds: float
    registered: set[str]
    more: str = ""

    @property
    def says(self) -> set[str]:
        """What the last requests were answered."""
        return {_word(answer.said) for answer in self.load.last(20)}

    @property
    def seen(self) -> str:
        """In a line of the report."""
        failed = f"{len(self.load.failed)} of {len(self.load.answers)} requests failed"
        words, scaling = (" and ".join(sorted(each)) for each in (map(repr, self.says), self.registered))
        return f"{self.stack}, {words} answers in the end, {scaling or 'nothing'} scales, {failed}{self.more}"


def _word(said: str) -> str:
    try:
        return str(json.loads(said)["says"])
    except (ValueError, KeyError, TypeError):
        return said


class Faults:
    """Brings them about. outcomes: by fault."""

    def __init__(self, running: Any, stacks: Stacks, folder: Path) -> None:
        """running: with a minute of MINUTE. folder: for the image's build context."""
        self._running, self._stacks = running, stacks
        self._sagemaker = running.client("sagemaker")
        self._bucket = Projects(running).bucket
        self._image = serving_image(running, Serving(), folder)
        for word in WORDS:
            files = {"word.txt": word, "code/inference.py": CODE}
            running.client("s3").put_object(Bucket=self._bucket, Key=f"{word}.tar.gz", Body=archive(files))
        running.client("ssm").put_parameter(Name=TAKEN, Value="somebody's", Type="String", Overwrite=True)
        self.outcomes: dict[str, Outcome] = {}

    def inject(self) -> None:
        """All of them, a few at a time; returns when the last one is over."""
        # jsii answers one question at a time: every template is made before anything runs.
        made = {row.fault: [self._templates(row, each) for each in (row.before, row.after) if each] for row in ROWS}
        self._create(SHARED, made[DELETED.fault][0][SHARED])
        own: dict[str, Callable[..., Outcome]] = {
            WORKER_KILLED.fault: self._worker_killed,
            DELETED.fault: self._deleted,
            CANCELLED.fault: self._cancelled,
        }
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            running = {
                row.fault: pool.submit(
                    own.get(row.fault, self._updated), row, *(each[row.endpoint] for each in made[row.fault])
                )
                for row in ROWS
            }
            for fault, future in running.items():
                self.outcomes[fault] = future.result()

    def _templates(self, row: Row, declared: Declared) -> dict[str, str]:
        client = self._running.client("s3")
        return templates(declared, endpoint=row.endpoint, image=self._image, bucket=self._bucket, client=client)

    def _updated(self, row: Row, before: str, after: str) -> Outcome:
        """The endpoint serves, and another declaration is deployed."""
        self._create(row.endpoint, before)
        with self._load(row) as load:
            time.sleep(_BEFORE)
            began = time.monotonic()
            if row is SCALING:
                self._scale_out(row)
            self._stacks.update(row.endpoint, after)
            seconds = time.monotonic() - began
            time.sleep(max(_AFTERWARDS, row.load_seconds - load.seconds))
        return self._outcome(row, load, seconds)

    def _cancelled(self, row: Row, before: str, after: str) -> Outcome:
        """By CancelUpdateStack, while the endpoint is being updated."""
        self._create(row.endpoint, before)
        with self._load(row) as load:
            time.sleep(_BEFORE)
            began = time.monotonic()
            self._stacks.api.update_stack(StackName=row.endpoint, TemplateBody=after)
            until(lambda: self._status(row), lambda status: status == "Updating", seconds=60)
            self._stacks.api.cancel_update_stack(StackName=row.endpoint)
            self._stacks.wait(row.endpoint)
            seconds = time.monotonic() - began
            time.sleep(_AFTERWARDS)
        return self._outcome(row, load, seconds)

    def _status(self, row: Row) -> str:
        return str(self._sagemaker.describe_endpoint(EndpointName=row.endpoint)["EndpointStatus"])

    def _scale_out(self, row: Row) -> None:
        """As Application Auto Scaling does it; it is under way when this returns."""
        more = {"VariantName": VARIANT, "DesiredInstanceCount": 2}
        self._sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=row.endpoint, DesiredWeightsAndCapacities=[more]
        )
        assert self._status(row) == "Updating"

    def _worker_killed(self, row: Row, before: str) -> Outcome:
        """One of two, by SIGKILL."""
        self._create(row.endpoint, before)
        with self._load(row) as load:
            time.sleep(_BEFORE)
            began = time.monotonic()
            killed, *_ = self._workers(row)
            killed.kill()
            ready = until(lambda: self._ready(row), lambda events: len(events) == row.before.workers + 1, seconds=60)
            seconds = time.monotonic() - began
            time.sleep(_AFTERWARDS)
        return self._outcome(row, load, seconds, more=f"; workers were ready {len(ready)} times")

    def _deleted(self, row: Row, before: str) -> Outcome:
        """It is deleted behind CloudFormation's back; its stack is deleted, which finds nothing, and made again."""
        self._create(row.endpoint, before)
        with self._load(row) as load:
            time.sleep(_BEFORE)
            began = time.monotonic()
            self._sagemaker.delete_endpoint(EndpointName=row.endpoint)
            until(lambda: load.failed, bool, seconds=60)
            words = load.failed[0].said
            self._stacks.delete(row.endpoint)
            self._create(row.endpoint, before)
            seconds = time.monotonic() - began
            time.sleep(_AFTERWARDS)
        return self._outcome(row, load, seconds, more=f"; callers read {words!r}")

    def _workers(self, row: Row) -> list[psutil.Process]:
        """Of the server in the endpoint's container, ready or not."""
        containers = control(self._running, "status", method="GET")["containers"]
        (pid,) = [each["pid"] for each in containers if each["description"].startswith(f"endpoint {row.endpoint},")]
        return [
            process
            for process in psutil.Process(pid).children(recursive=True)
            if any(word.endswith("/worker.py") for word in _command(process))
        ]

    def _ready(self, row: Row) -> list[str]:
        """What the server has written when a worker was ready."""
        lines = log_lines(self._running.client("logs"), f"/aws/sagemaker/Endpoints/{row.endpoint}", "AllTraffic/")
        return [line for line in lines if '"worker ready"' in line]

    def _load(self, row: Row) -> SteadyLoad:
        return SteadyLoad(self._running, row.endpoint, body=_BODY)

    def _create(self, name: str, template: str) -> None:
        stack = self._stacks.create(name, template)
        assert stack["StackStatus"] == "CREATE_COMPLETE", self._stacks.reasons(name, "CREATE_FAILED")

    def _registered(self, row: Row) -> set[str]:
        targets = self._running.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace="sagemaker"
        )["ScalableTargets"]
        prefix = f"endpoint/{row.endpoint}/variant/"
        ids = [each["ResourceId"] for each in targets]
        return {each.removeprefix(prefix) for each in ids if each.startswith(prefix)}

    def _outcome(self, row: Row, load: SteadyLoad, seconds: float, more: str = "") -> Outcome:
        """Deletes the stack, so that the next one has the machine."""
        described = self._stacks.api.describe_stacks(StackName=row.endpoint)["Stacks"][0]
        failed = [self._stacks.reasons(row.endpoint, status) for status in ("CREATE_FAILED", "UPDATE_FAILED")]
        registered = self._registered(row)
        self._stacks.delete(row.endpoint)
        return Outcome(load, described["StackStatus"], failed[0] | failed[1], round(seconds, 1), registered, more)


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []
