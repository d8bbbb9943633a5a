"""A batch transform on the embedded AWS: a real model answers what lies below a prefix, and failures are told."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Duration

from hf_sagemaker.serving import Serving
from hf_sagemaker.transform_job_task import Batches
from tests.local.batch_stack import INPUT, NAME, OUTPUT, BatchStack
from tests.local.compute_projects import ROLE, until
from tests.local.control import control
from tests.local.embedded_aws import REPOSITORY, Stacks
from tests.local.serving_image import serving_image
from tests.local.test_endpoint_models import PREDICT
from tests.local.test_hub_mirror import MAKE_MODEL

TEXTS = {"one.json": "the film was good", "two.json": "the film was not bad"}


@dataclass
class Transforms:
    """The deployed transform."""

    running: Any
    bucket: str
    outputs: dict[str, str]
    model: Path

    def __post_init__(self) -> None:
        self.states = self.running.client("stepfunctions")
        self.s3 = self.running.client("s3")
        self.sagemaker = self.running.client("sagemaker")

    def start(self, machine: str = "", **given: str) -> str:
        """The execution's ARN. machine: omitted: the transform's own."""
        answer = self.states.start_execution(
            stateMachineArn=machine or self.outputs["Machine"],
            name=f"t-{uuid.uuid4().hex[:8]}",
            input=json.dumps(given),
        )
        return str(answer["executionArn"])

    def ended(self, execution: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            return described

        return until(look, lambda described: described["status"] != "RUNNING", seconds=200)

    def run(self, **given: str) -> dict[str, Any]:
        return self.ended(self.start(**given))

    def executions(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.states.list_executions(stateMachineArn=self.outputs["Machine"])[
            "executions"
        ]
        return listed

    def put(self, key: str, body: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode())

    def answers(self, execution: dict[str, Any]) -> dict[str, Any]:
        """What was written for it, by object."""
        prefix = f"{OUTPUT}{execution['name']}/"
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {
            each["Key"].removeprefix(prefix): json.load(self.s3.get_object(Bucket=self.bucket, Key=each["Key"])["Body"])
            for each in listed
        }

    def told(self, execution: dict[str, Any]) -> str:
        """What people were told of it."""

        def look() -> list[str]:
            received = self.running.client("sqs").receive_message(
                QueueUrl=self.outputs["QueueUrl"], MaxNumberOfMessages=10, VisibilityTimeout=0
            )
            bodies = [str(message["Body"]) for message in received.get("Messages", [])]
            return [body for body in bodies if execution["executionArn"] in body]

        return until(look, bool, seconds=30)[0]

    def entered(self, execution: dict[str, Any]) -> list[str]:
        events = self.states.get_execution_history(executionArn=execution["executionArn"], maxResults=200)["events"]
        return [each["stateEnteredEventDetails"]["name"] for each in events if "stateEnteredEventDetails" in each]

    def changed(self, **states: dict[str, Any]) -> str:
        """Another machine, in which these members of these states are others; its ARN."""
        described = self.states.describe_state_machine(stateMachineArn=self.outputs["Machine"])
        definition = json.loads(described["definition"])
        for name, members in states.items():
            definition["States"][name] |= members
        made = self.states.create_state_machine(
            name=f"changed-{uuid.uuid4().hex[:8]}", roleArn=ROLE, definition=json.dumps(definition)
        )
        return str(made["stateMachineArn"])


@pytest.fixture(scope="module")
def transforms(localcloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transforms]:
    folder = tmp_path_factory.mktemp("model")
    subprocess.run([os.environ["HFSM_TRAINING_PYTHON"], "-c", MAKE_MODEL, str(folder)], check=True, timeout=120)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    bucket = f"batch-{uuid.uuid4().hex[:8]}"
    localcloud.client("s3").create_bucket(Bucket=bucket)
    localcloud.client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=packed.getvalue())
    image = serving_image(localcloud, Serving(), tmp_path_factory.mktemp("image"))
    template = BatchStack(
        image=image, bucket=bucket, max_run=Duration.hours(1), batches=Batches(split="None", max_payload_mb=1)
    ).template
    stacks = Stacks(localcloud)
    stack = stacks.create("batch", template)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("batch", "CREATE_FAILED")
    made = Transforms(localcloud, bucket, stacks.outputs("batch"), folder)
    for name, text in TEXTS.items():
        made.put(f"{INPUT}good/{name}", json.dumps({"inputs": text}))
    yield made
    stacks.delete_all()


@pytest.fixture(scope="module")
def expected(transforms: Transforms) -> Any:
    """What the model answers when it is run directly."""
    command = [os.environ["HFSM_INFERENCE_PYTHON"], "-c", PREDICT, str(transforms.model)]
    done = subprocess.run(
        [*command, json.dumps(list(TEXTS.values()))], check=True, capture_output=True, text=True, timeout=120
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_each_object_is_answered_by_the_model(transforms: Transforms, expected: Any) -> None:
    # Given two objects below the declared prefix; when it runs as a schedule starts it
    execution = transforms.run()
    # Then each has its answer below the run's own prefix, as the model gives it
    assert execution["status"] == "SUCCEEDED", execution
    answers = transforms.answers(execution)
    assert set(answers) == {f"good/{name}.out" for name in TEXTS} or set(answers) == {f"{name}.out" for name in TEXTS}
    for name, wanted in zip(TEXTS, expected, strict=True):
        (answer,) = next(answers[key] for key in answers if key.endswith(f"{name}.out"))
        assert answer["label"] == wanted["label"]
        assert answer["score"] == pytest.approx(wanted["score"], abs=1e-4)
    # and its output says where
    assert json.loads(execution["output"])["output"] == f"s3://{transforms.bucket}/{OUTPUT}{execution['name']}"


def test_its_schedule_starts_it(transforms: Transforms) -> None:
    # Given its schedule, in the time zone of the settings
    name = transforms.outputs["Schedule"]
    schedule = transforms.running.client("scheduler").get_schedule(Name=name)
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin"
    before = {each["name"] for each in transforms.executions()}
    # When its time has come
    control(transforms.running, f"schedules/{name}/trigger")
    # Then a run has begun, and answers
    (begun,) = until(lambda: [each for each in transforms.executions() if each["name"] not in before], bool, seconds=30)
    execution = transforms.ended(begun["executionArn"])
    assert execution["status"] == "SUCCEEDED", execution
    assert len(transforms.answers(execution)) == len(TEXTS)


def test_operators_start_one_and_read_where_the_answers_are(transforms: Transforms) -> None:
    command = [sys.executable, "-m", "hfsm", "transform", NAME, "--input", f"{INPUT}good/one", "--wait"]
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": transforms.running.endpoint_url,
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / name) for name in ("constructs", "lambda", "tools")),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    # Then the place that they read holds the one answer
    said = " ".join(done.stdout.split())
    assert f"Its answers are below s3://{transforms.bucket}/{OUTPUT}" in said
    name = said.partition("Started ")[2].partition(" in dev")[0]
    assert len(transforms.answers({"name": name})) == 1


def test_content_that_the_model_refuses_fails_and_is_told(transforms: Transforms) -> None:
    # Given an object that is no JSON beside one that is
    transforms.put(f"{INPUT}mixed/good.json", json.dumps({"inputs": "the film was good"}))
    transforms.put(f"{INPUT}mixed/wrong.json", "{no json")
    # When they are transformed
    execution = transforms.run(input=f"{INPUT}mixed/")
    # Then it fails with the object's name, where to read more, and what to do
    assert (execution["status"], execution["error"]) == ("FAILED", "TransformJobFailed"), execution
    for words in ("wrong.json", "400", "/aws/sagemaker/TransformJobs", f"hfsm transform {NAME}"):
        assert words in execution["cause"]
    # and people are told the same
    assert execution["cause"] in transforms.told(execution)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"input": "models/"}, "TransformRefused", f"must begin with {INPUT}"),
        ({"output": f"{OUTPUT}here"}, "TransformRefused", "end in a slash"),
        ({"input": f"{INPUT}nothing/"}, "NothingToTransform", "Nothing lies below"),
    ],
)
def test_a_wrong_prefix_is_told(transforms: Transforms, given: dict[str, str], error: str, words: str) -> None:
    execution = transforms.run(**given)
    assert (execution["status"], execution["error"]) == ("FAILED", error), execution
    assert words in execution["cause"]
    assert words in transforms.told(execution)
    # A prefix elsewhere starts no job
    assert ("Transform" in transforms.entered(execution)) == (error == "NothingToTransform")


def test_a_quota_that_is_used_up_names_itself(transforms: Transforms) -> None:
    message = "The account-level service limit 'ml.g4dn.xlarge for transform job usage' is 0 Instances."
    order = {"api": "sagemaker:CreateTransformJob", "error": "ResourceLimitExceeded", "status": 400}
    control(transforms.running, "faults", {**order, "message": message})
    execution = transforms.run()
    assert execution["error"] == "QuotaUsedUp", execution
    assert "Service Quotas console, AWS services, Amazon SageMaker, `ml.g4dn.xlarge" in execution["cause"]


def test_throttling_is_survived(transforms: Transforms) -> None:
    order = {"api": "sagemaker:CreateTransformJob", "error": "ThrottlingException", "status": 400}
    control(transforms.running, "faults", order)
    execution = transforms.run(input=f"{INPUT}good/one")
    assert execution["status"] == "SUCCEEDED", execution


def test_without_capacity_it_is_tried_once_more(transforms: Transforms) -> None:
    # Given a first job for which AWS has no instance
    cause = {"TransformJobName": "first", "FailureReason": "CapacityError: Unable to provision requested ML compute"}
    machine = transforms.changed(
        Transform={
            "Resource": "arn:aws:states:::aws-sdk:sfn:sendTaskFailure.waitForTaskToken",
            "Parameters": {
                "TaskToken.$": "$$.Task.Token",
                "Error": "States.TaskFailed",
                "Cause": json.dumps(cause),
            },
        }
    )
    # When it runs
    execution = transforms.ended(transforms.start(machine, input=f"{INPUT}good/one"))
    # Then the second one answers, after a while
    assert execution["status"] == "SUCCEEDED", execution
    assert transforms.entered(execution)[-4:] == ["NoCapacityYet", "WaitForCapacity", "TransformAgain", "Answered"]


def test_a_job_that_runs_too_long_is_stopped(transforms: Transforms) -> None:
    # Given a state that gives up after a second
    machine = transforms.changed(Transform={"TimeoutSeconds": 1})
    began = time.time()
    execution = transforms.ended(transforms.start(machine, input=f"{INPUT}good/one"))
    # Then the execution says what to change
    assert execution["error"] == "TransformRanTooLong", execution
    assert "Raise max_hours or instance_count" in execution["cause"]
    # and the job does not run on
    jobs = transforms.sagemaker.list_transform_jobs()["TransformJobSummaries"]
    (job,) = [each for each in jobs if each["CreationTime"].timestamp() > began - 1]
    described = until(
        lambda: transforms.sagemaker.describe_transform_job(TransformJobName=job["TransformJobName"]),
        lambda seen: seen["TransformJobStatus"] not in ("InProgress", "Stopping"),
        seconds=60,
    )
    assert described["TransformJobStatus"] == "Stopped"
