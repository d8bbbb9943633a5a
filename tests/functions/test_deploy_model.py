"""Deployment on approval: which version is to be served, and what is done about the stack."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from deploy_model import handler
from deploy_model.logic import StackStuck

GROUP, PARAMETER = "dev-text", "/hf-sagemaker/dev/models/text/approved"
FOLLOWING = "/hf-sagemaker/dev/models/text/endpoints"
STACK = "dev-EndpointText"
TYPES = ["AWS::SageMaker::Model"]


@dataclass
class Stack:
    """read: what its parameter stood for. refuses: what UpdateStack answers."""

    status: str = "UPDATE_COMPLETE"
    read: str | None = "none"
    refuses: str | None = None
    updates: list[dict[str, Any]] = field(default_factory=list)

    def described(self, name: str) -> dict[str, Any]:
        resolved = {"ResolvedValue": self.read} if self.read is not None else {}
        parameter = {"ParameterKey": "Version", "ParameterValue": PARAMETER, **resolved}
        stack = {"StackName": name, "StackId": f"{name}/1", "StackStatus": self.status, "Parameters": [parameter]}
        return stack | {"Capabilities": ["CAPABILITY_IAM"]}


@dataclass
class CloudFormation:
    """Some stacks, by name."""

    stacks: dict[str, Stack]

    def describe_stacks(self, **request: str) -> dict[str, Any]:
        name = request["StackName"]
        if name not in self.stacks:
            raise _refused(f"Stack with id {name} does not exist", "DescribeStacks")
        return {"Stacks": [self.stacks[name].described(name)]}

    def update_stack(self, **request: Any) -> None:
        stack = self.stacks[request["StackName"].partition("/")[0]]
        stack.updates.append(request)
        if stack.refuses:
            raise _refused(stack.refuses, "UpdateStack")


def _refused(message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)


@dataclass
class Account:
    """The registry, the parameter, the stack that follows, and what people are told."""

    cloudformation: CloudFormation
    sagemaker: Any
    ssm: Any
    messages: list[str] = field(default_factory=list)

    @property
    def stack(self) -> Stack:
        return self.cloudformation.stacks[STACK]

    def add(self, name: str) -> Stack:
        """A stack that follows the job type."""
        self.ssm.put_parameter(Name=f"{FOLLOWING}/{name}", Value=name, Type="String")
        return self.cloudformation.stacks.setdefault(name, Stack())

    def client(self, service: str) -> Any:
        fakes = {"cloudformation": self.cloudformation, "sns": self}
        return fakes.get(service) or getattr(self, service)

    def publish(self, **request: str) -> None:
        assert len(request["Subject"]) <= 100
        self.messages.append(request["Message"])

    def register(self, *approvals: str) -> None:
        for approval in approvals:
            self.sagemaker.create_model_package(ModelPackageGroupName=GROUP, ModelApprovalStatus=approval)

    def decide(self, version: int, approval: str) -> None:
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/{version}"
        self.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=approval)

    @property
    def says(self) -> str:
        return str(self.ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"])

    def look(self, *, failed: bool = False) -> str:
        """At the one stack, as after the end of an update of it."""
        return self.look_at(f"arn:aws:cloudformation:us-east-1:123456789012:stack/{STACK}/1", failed=failed)[STACK]

    def look_at(self, stack: str | None, *, failed: bool = False) -> dict[str, str]:
        model = {"job_type": "text", "group": GROUP, "parameter": PARAMETER, "stacks": FOLLOWING}
        event = {"resource_types": TYPES, "topic": "topic", "failed": failed, "models": [model]}
        done: dict[str, str] = handler.handle(event | ({"stack": stack} if stack else {}), None)["done"]
        return done


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with mock_aws():
        sagemaker, ssm = (boto3.client(name, region_name="us-east-1") for name in ("sagemaker", "ssm"))
        sagemaker.create_model_package_group(ModelPackageGroupName=GROUP, ModelPackageGroupDescription="Of the tests")
        ssm.put_parameter(Name=PARAMETER, Value="none", Type="String")
        found = Account(CloudFormation({}), sagemaker, ssm)
        found.add(STACK)
        monkeypatch.setattr(handler.boto3, "client", found.client)
        yield found


def test_the_first_approval_starts_an_update_with_the_template_from_before(account: Account) -> None:
    account.register("PendingManualApproval", "Approved")
    assert account.look() == "started"
    assert account.says == "2"
    assert account.stack.updates == [
        {
            "StackName": f"{STACK}/1",
            "UsePreviousTemplate": True,
            "Parameters": [{"ParameterKey": "Version", "UsePreviousValue": True}],
            "Capabilities": ["CAPABILITY_IAM"],
            "ResourceTypes": TYPES,
        }
    ]


def test_without_an_approved_model_nothing_happens(account: Account) -> None:
    account.register("PendingManualApproval", "Rejected")
    assert account.look() == "current"
    assert (account.says, account.stack.updates, account.messages) == ("none", [], [])


def test_an_event_that_comes_twice_changes_nothing_the_second_time(account: Account) -> None:
    account.register("Approved")
    account.look()
    account.stack.read = "1"
    assert account.look() == "current"
    assert len(account.stack.updates) == 1


def test_the_highest_approved_version_counts_in_whatever_order_they_are_approved(account: Account) -> None:
    account.register("PendingManualApproval", "Approved")
    account.stack.read = "2"
    account.look()
    # When an older one is approved after it
    account.decide(1, "Approved")
    assert account.look() == "current"
    assert account.says == "2"
    # When the newer one is rejected, then the older one is back
    account.decide(2, "Rejected")
    assert account.look() == "started"
    assert account.says == "1"


def test_a_rejection_of_the_last_one_takes_nothing_away_and_is_told(account: Account) -> None:
    account.register("Approved")
    account.look()
    account.stack.read = "1"
    account.decide(1, "Rejected")
    assert account.look() == "current"
    assert account.says == "1"
    (message,) = account.messages
    assert "No version of text is approved any more, and version 1 is served on" in message


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"])
def test_a_busy_stack_is_left_alone_until_it_is_done(account: Account, status: str) -> None:
    account.register("Approved")
    account.stack.status = status
    assert account.look() == "waits"
    assert account.stack.updates == []
    # And the end of what it does is the next look
    account.stack.status = "UPDATE_COMPLETE"
    assert account.look() == "started"


@pytest.mark.parametrize(
    ("refusal", "done"),
    [
        ("Stack:x is in UPDATE_IN_PROGRESS state and can not be updated.", "waits"),
        ("No updates are to be performed.", "current"),
    ],
)
def test_what_has_changed_since_the_look_is_no_error(account: Account, refusal: str, done: str) -> None:
    account.register("Approved")
    account.stack.read, account.stack.refuses = None, refusal
    assert account.look() == done


def test_another_refusal_is_a_dead_letter(account: Account) -> None:
    account.register("Approved")
    account.stack.refuses = "User is not authorized to perform: cloudformation:UpdateStack"
    with pytest.raises(ClientError, match="not authorized"):
        account.look()


def test_a_stack_that_is_stuck_is_a_dead_letter_that_says_what_to_do(account: Account) -> None:
    account.register("Approved")
    account.stack.status = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(StackStuck, match=r"version 1 of text cannot be deployed.*continue-update-rollback"):
        account.look()


def test_a_deployment_that_was_rolled_back_is_told_and_not_tried_again_at_once(account: Account) -> None:
    account.register("Approved")
    account.stack.status = "UPDATE_ROLLBACK_COMPLETE"
    assert account.look(failed=True) == "told"
    assert account.stack.updates == []
    (message,) = account.messages
    assert "version 1 of text is approved and not served" in message
    assert "`hfsm approve text 1 --reject`" in message
    # And when it is rejected, then nothing is left to do, not for the next deployment by hand either
    account.decide(1, "Rejected")
    assert account.look() == "current"
    assert account.says == "none"
    assert len(account.messages) == 1


def test_a_rollback_of_something_else_is_none_of_its_business(account: Account) -> None:
    account.register("Approved")
    account.look()
    account.stack.read = "1"
    assert account.look(failed=True) == "current"
    assert account.messages == []


# --- several stacks --------------------------------------------------------------------------------------------------


def test_an_approval_moves_every_stack_that_follows_and_no_other(account: Account) -> None:
    other = account.add("dev-EndpointOther")
    account.cloudformation.stacks["dev-EndpointAlone"] = alone = Stack()
    account.register("Approved")
    assert account.look_at(None) == {STACK: "started", "dev-EndpointOther": "started"}
    assert (len(account.stack.updates), len(other.updates), alone.updates) == (1, 1, [])


def test_the_end_of_a_stack_that_follows_nothing_is_no_reason_to_update_one(account: Account) -> None:
    account.cloudformation.stacks["dev-EndpointAlone"] = alone = Stack()
    account.register("Approved")
    assert account.look_at("arn:aws:cloudformation:us-east-1:123456789012:stack/dev-EndpointAlone/1") == {}
    assert (alone.updates, account.stack.updates) == ([], [])


def test_a_stack_that_is_stuck_keeps_no_other_back(account: Account) -> None:
    # Given the first of two in a state out of which only a person can bring it
    other = account.add("dev-EndpointZ")
    account.stack.status = "UPDATE_ROLLBACK_FAILED"
    account.register("Approved")
    # Then people are told of it, and the other one is moved
    with pytest.raises(StackStuck, match=STACK):
        account.look_at(None)
    assert len(other.updates) == 1


def test_a_stack_that_is_gone_is_left_out(account: Account) -> None:
    account.add("dev-EndpointGone")
    del account.cloudformation.stacks["dev-EndpointGone"]
    account.register("Approved")
    assert account.look_at(None) == {STACK: "started"}


def test_where_nothing_is_approved_any_more_every_stack_keeps_what_it_serves(account: Account) -> None:
    # Given two stacks, of which the second was rolled back when the first moved
    other = account.add("dev-EndpointOther")
    account.register("Approved")
    account.stack.read = "1"
    # When that version is rejected
    account.decide(1, "Rejected")
    # Then the first goes on serving it, and the second does not begin to
    assert account.look_at(None) == {STACK: "current", "dev-EndpointOther": "current"}
    assert account.says == "1"
    assert (account.stack.updates, other.updates) == ([], [])
