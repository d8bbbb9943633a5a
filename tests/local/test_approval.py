"""From a training to an endpoint by approvals: the real state machine, registry, function and stack, with small models.

The tests of this module build on each other and run in the order of the file.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.local.bare_image import bare_image
from tests.local.built_image import Inbox, inbox_of
from tests.local.compute_projects import Projects, until
from tests.local.embedded_aws import REPOSITORY, Stacks
from tests.local.following_endpoint import PROGRAM, ApprovedModels
from tests.local.workflow_machine import WorkflowMachine, functions

ENVIRONMENT, JOB_TYPE = "approvals", "text"
GROUP, ENDPOINT = f"{ENVIRONMENT}-{JOB_TYPE}", f"{ENVIRONMENT}-words"
PARAMETER, IMAGE = f"/hf-sagemaker/{ENVIRONMENT}/models/{JOB_TYPE}/approved", "/tests/approval/image"
STACK, SHARED = f"{ENVIRONMENT}-EndpointWords", f"{ENVIRONMENT}-Inference"


@dataclass
class Following:
    """The workflow, the stack of the endpoint, and what people are told of it."""

    running: Any
    stacks: Stacks
    machine: str
    bucket: str
    inbox: Inbox

    def train(self, word: str, accuracy: float) -> int:
        """Trains a model that says this word; its version in the registry."""
        self.running.client("s3").put_object(
            Bucket=self.bucket, Key=f"{word}/word.txt", Body=f"{word} {accuracy}".encode()
        )
        states = self.running.client("stepfunctions")
        request = {"schema_version": "1", "name": word, "channels": {"train": f"s3://{self.bucket}/{word}/"}}
        arn = states.start_execution(stateMachineArn=self.machine, input=json.dumps(request))["executionArn"]
        ended = until(lambda: states.describe_execution(executionArn=arn), lambda seen: seen["status"] != "RUNNING")
        assert ended["status"] == "SUCCEEDED", ended
        return int(json.loads(ended["output"])["model_package_arn"].rpartition("/")[2])

    def hfsm(self, *arguments: object) -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        aws = {"AWS_ENDPOINT_URL": self.running.endpoint_url, "AWS_REGION": "us-east-1", "COLUMNS": "250"}
        keys = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "test"}
        command = [sys.executable, "-m", "hfsm", *map(str, arguments), "--env", ENVIRONMENT]
        done = subprocess.run(
            command, cwd=REPOSITORY, env={**own, **aws, **keys}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def says(self) -> str | None:
        """What the endpoint answers. None: there is none."""
        if ENDPOINT not in [each["EndpointName"] for each in self._endpoints()]:
            return None
        runtime = self.running.client("sagemaker-runtime")
        try:
            return str(runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"?")["Body"].read().decode())
        except runtime.exceptions.ClientError:
            return None

    def _endpoints(self) -> list[dict[str, Any]]:
        endpoints: list[dict[str, Any]] = self.running.client("sagemaker").list_endpoints()["Endpoints"]
        return endpoints

    def status(self) -> str:
        return str(self.stacks.api.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])

    def settled(self, word: str) -> None:
        """Waits until the endpoint says this word, and the stack is at rest."""
        until(self.says, lambda said: said == word)
        until(self.status, lambda status: not status.endswith("_IN_PROGRESS"))

    def approved(self) -> str:
        return str(self.running.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"])


@pytest.fixture(scope="module")
def following(localcloud: Any) -> Iterator[Following]:
    projects, stacks = Projects(localcloud), Stacks(localcloud)
    image = bare_image(localcloud, PROGRAM, "tests/approval")
    projects.s3.put_object(Bucket=projects.bucket, Key="functions.zip", Body=functions())
    for name, value in {
        IMAGE: image,
        PARAMETER: "none",
        f"/hf-sagemaker/{ENVIRONMENT}/training/{JOB_TYPE}/model-package-group": GROUP,
        f"/hf-sagemaker/{ENVIRONMENT}/inference/words/endpoint-name": ENDPOINT,
        f"/hf-sagemaker/{ENVIRONMENT}/inference/words/model": f"approved {JOB_TYPE}",
    }.items():
        localcloud.client("ssm").put_parameter(Name=name, Value=value, Type="String")
    localcloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    machine = WorkflowMachine(
        repository=image.partition("@")[0], bucket=projects.bucket, parameter=IMAGE, group=GROUP
    ).template
    approved = ApprovedModels(
        environment=ENVIRONMENT, endpoint=ENDPOINT, job_type=JOB_TYPE, group=GROUP, parameter=PARAMETER
    ).templates(projects.s3)
    templates = {f"{ENVIRONMENT}-Training": machine, SHARED: approved[SHARED], STACK: approved[STACK]}
    for name, template in templates.items():
        stack = stacks.create(name, template)
        assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(name, "CREATE_FAILED")
    inbox = inbox_of(localcloud)
    topic = stacks.outputs(SHARED)["TopicArn"]
    localcloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    arn = stacks.outputs(f"{ENVIRONMENT}-Training")["Arn"]
    localcloud.client("ssm").put_parameter(
        Name=f"/hf-sagemaker/{ENVIRONMENT}/training/{JOB_TYPE}/state-machine-arn", Value=arn, Type="String"
    )
    yield Following(localcloud, stacks, arn, projects.bucket, inbox)
    stacks.delete_all()


def test_before_the_first_approval_there_is_no_endpoint(following: Following) -> None:
    # Given two models that nobody has looked at
    assert (following.train("one", 0.8), following.train("two", 0.8)) == (1, 2)
    # Then none is served, and operators see why
    assert following.says() is None
    (endpoint,) = json.loads(following.hfsm("status", "--json"))["endpoints"]
    assert (endpoint["status"], endpoint["model"]) == ("NotThere", "waits for the first approved model")


def test_an_approval_makes_the_endpoint_and_one_while_the_stack_is_busy_follows(following: Following) -> None:
    # When the first is approved, and the second while the stack is made for it
    assert "are moved to it" in following.hfsm("approve", JOB_TYPE, 1, "--yes")
    until(following.status, lambda status: status == "UPDATE_IN_PROGRESS")
    following.hfsm("approve", JOB_TYPE, 2, "--yes")
    # Then the second is served in the end
    following.settled("two")
    assert (following.approved(), following.status()) == ("2", "UPDATE_COMPLETE")
    (line,) = [each for each in following.hfsm("models").splitlines() if "(deployed)" in each]
    assert line.split()[1] == "2"


def test_a_model_above_approve_at_is_served_without_anybody(following: Following) -> None:
    assert following.train("three", 0.99) == 3
    following.settled("three")
    package = json.loads(following.hfsm("models", "--json"))["models"][0]
    assert package["approval"] == "Approved"
    assert package["metadata"]["approved-by"] == "accuracy 0.99 reached approve_at 0.95"


def test_a_rejection_brings_back_the_approved_version_before(following: Following) -> None:
    assert "go back to version 2" in following.hfsm("approve", JOB_TYPE, 3, "--reject", "--yes")
    following.settled("two")


def test_a_model_that_does_not_load_is_rolled_back_and_people_read_what_to_do(following: Following) -> None:
    # Given a model that passes the gate and does not serve
    number = following.train("broken", 0.8)
    # When it is approved
    following.hfsm("approve", JOB_TYPE, number, "--yes")
    until(following.status, lambda status: status == "UPDATE_ROLLBACK_COMPLETE")
    # Then the endpoint goes on as before, and people are told
    assert following.says() == "two"
    messages = until(following.inbox.messages, len, seconds=30)
    assert f"version {number} of {JOB_TYPE} is approved and not served" in messages[0]
    assert f"`hfsm approve {JOB_TYPE} {number} --reject`" in messages[0]
    # And when they do that, nothing is left to deploy
    following.hfsm("approve", JOB_TYPE, number, "--reject", "--yes")
    until(following.approved, lambda said: said == "2")
    assert (following.says(), following.status()) == ("two", "UPDATE_ROLLBACK_COMPLETE")


def test_what_somebody_else_writes_into_the_parameter_is_set_right(following: Following) -> None:
    # When a version is written that is not the newest approved one
    following.running.client("ssm").put_parameter(Name=PARAMETER, Value="none", Overwrite=True)
    # Then it is again what the registry says
    until(following.approved, lambda said: said == "2", seconds=30)
    assert following.says() == "two"


def test_a_deployment_by_hand_keeps_the_approved_model(following: Following) -> None:
    # When somebody deploys the stack with another template
    template = json.loads(json.dumps(following.stacks.api.get_template(StackName=STACK)["TemplateBody"]))
    template["Description"] = "deployed by hand"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            resource["Properties"]["AlarmDescription"] = "changed by hand"
    assert following.stacks.update(STACK, json.dumps(template))["StackStatus"] == "UPDATE_COMPLETE"
    # Then the endpoint serves what was approved
    assert (following.says(), following.approved()) == ("two", "2")
