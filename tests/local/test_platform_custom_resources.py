"""Custom resources: CloudFormation calls their function, and does what it answers."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.local.embedded_aws import RunningLocalCloud, Stacks
from tests.local.resource_case import ROLE_ARN, role

# Writes down each event, and answers as the properties tell it to: plain urllib, as cfnresponse does.
HANDLER = """
import json
import urllib.request


def handle(event, context):
    with open(event["ResourceProperties"]["Log"], "a") as log:
        log.write(json.dumps(event) + "\\n")
    wish = event["ResourceProperties"].get("Wish")
    if wish == "crash":
        print("the disk is full")
        raise RuntimeError("no space left")
    if wish == "silence":
        print("nothing to say")
        return
    answer = {
        "Status": "FAILED" if wish == "fail" else "SUCCESS",
        "Reason": "the zone is closed",
        "PhysicalResourceId": "thing-" + event["ResourceProperties"].get("Size", "0"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Colour": "green", "nested.Size": event["ResourceProperties"].get("Size")},
    }
    body = b"x" * 5000 if wish == "chatter" else json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], data=body, method="PUT"))
"""
FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.13",
        "Handler": "index.handle",
        "Role": ROLE_ARN,
        "Timeout": 20,
        "Code": {"ZipFile": HANDLER},
    },
}


def template(log: str, *, type_name: str = "Custom::Thing", **properties: Any) -> str:
    thing = {
        "Type": type_name,
        "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}, "Log": log, **properties},
    }
    outputs = {
        "Ref": {"Value": {"Ref": "Thing"}},
        "Colour": {"Value": {"Fn::GetAtt": ["Thing", "Colour"]}},
        "Size": {"Value": {"Fn::GetAtt": ["Thing", "nested.Size"]}},
    }
    return json.dumps({"Resources": {"Role": role(), "Function": FUNCTION, "Thing": thing}, "Outputs": outputs})


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Path of a file that the function writes its events to."""
    return str(tmp_path / "events.jsonl")


def events(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(log).read_text().splitlines()]


def test_its_function_is_told_what_cloudformation_documents(stacks: Stacks, log: str) -> None:
    # Given a custom resource with properties that are no text
    properties = {"Size": 3, "Open": True, "Sides": [{"Length": 1.5}]}

    # When it is created, changed and deleted
    created = stacks.create("custom", template(log, **properties))
    assert created["StackStatus"] == "CREATE_COMPLETE", stacks.reasons("custom", "CREATE_FAILED")
    stacks.update("custom", template(log, **properties | {"Open": False}))
    deleted = stacks.delete("custom")

    # Then the function was told of each, in text, with the id that it gave
    assert deleted["StackStatus"] == "DELETE_COMPLETE"
    create, update, delete = events(log)
    assert [create["RequestType"], update["RequestType"], delete["RequestType"]] == ["Create", "Update", "Delete"]
    assert create["ResourceType"] == "Custom::Thing"
    assert create["StackId"] == created["StackId"]
    assert create["LogicalResourceId"] == "Thing"
    assert "PhysicalResourceId" not in create
    told = create["ResourceProperties"]
    assert (told["Size"], told["Open"], told["Sides"]) == ("3", "true", [{"Length": "1.5"}])
    assert told["ServiceToken"] == create["ServiceToken"]
    assert update["PhysicalResourceId"] == delete["PhysicalResourceId"] == "thing-3"
    assert update["OldResourceProperties"]["Open"] == "true"
    assert update["ResourceProperties"]["Open"] == "false"
    assert len({event["RequestId"] for event in (create, update, delete)}) == 3


def test_its_answer_is_what_the_template_reads(stacks: Stacks, log: str) -> None:
    stacks.create("custom-data", template(log, type_name="AWS::CloudFormation::CustomResource", Size=4))
    assert stacks.outputs("custom-data") == {"Ref": "thing-4", "Colour": "green", "Size": "4"}


def test_another_physical_id_is_a_replacement(stacks: Stacks, log: str) -> None:
    # When an update is answered with another id
    stacks.create("custom-replaced", template(log, Size=1))
    stack = stacks.update("custom-replaced", template(log, Size=2))

    # Then the old one is deleted in the clean-up, with its own properties
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.outputs("custom-replaced")["Ref"] == "thing-2"
    last = events(log)[-1]
    assert (last["RequestType"], last["PhysicalResourceId"]) == ("Delete", "thing-1")
    assert last["ResourceProperties"]["Size"] == "1"


def test_a_failure_is_told_and_rolled_back(localcloud: RunningLocalCloud, stacks: Stacks, log: str) -> None:
    # When the function answers that it failed, and then that it could delete
    stack = stacks.create("custom-failed", template(log, Wish="fail", Size=7))

    # Then its reason is told, and what it named is deleted
    assert "the zone is closed" in stacks.reasons("custom-failed", "CREATE_FAILED")["Thing"]
    assert [event["RequestType"] for event in events(log)] == ["Create", "Delete"]
    assert events(log)[1]["PhysicalResourceId"] == "thing-7"
    # And since this function refuses that too, its role and code stay for another try
    assert stack["StackStatus"] == "ROLLBACK_FAILED"
    left = localcloud.client("cloudformation").list_stack_resources(StackName="custom-failed")
    assert {each["LogicalResourceId"] for each in left["StackResourceSummaries"]} == {"Thing", "Function", "Role"}


def test_a_failed_update_goes_back(stacks: Stacks, log: str) -> None:
    stacks.create("custom-back", template(log, Size=1))
    stack = stacks.update("custom-back", template(log, Size=1, Wish="fail"))

    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    again = events(log)[-1]
    assert (again["RequestType"], "Wish" in again["ResourceProperties"]) == ("Update", False)
    assert again["OldResourceProperties"]["Wish"] == "fail"


def test_a_function_that_crashes_fails_at_once_and_is_quoted(stacks: Stacks, log: str) -> None:
    begun = time.monotonic()
    stacks.create("custom-crash", template(log, Wish="crash"))

    reason = stacks.reasons("custom-crash", "CREATE_FAILED")["Thing"]
    assert time.monotonic() - begun < 30
    assert "custom-crash-Function" in reason
    assert "no space left" in reason
    assert "the disk is full" in reason


def test_silence_lasts_until_the_service_timeout(stacks: Stacks, log: str) -> None:
    stacks.create("custom-silence", template(log, Wish="silence", ServiceTimeout=2))

    reason = stacks.reasons("custom-silence", "CREATE_FAILED")["Thing"]
    assert "did not receive a response from your Custom Resource within 2 seconds" in reason
    assert "custom-silence-Function" in reason
    assert "nothing to say" in reason


def test_an_answer_that_is_too_long_is_refused(stacks: Stacks, log: str) -> None:
    stacks.create("custom-long", template(log, Wish="chatter"))
    assert "5000 bytes, at most 4096" in stacks.reasons("custom-long", "CREATE_FAILED")["Thing"]


def test_a_topic_is_no_function(stacks: Stacks, log: str) -> None:
    body = json.loads(template(log))
    body["Resources"]["Thing"]["Properties"]["ServiceToken"] = "arn:aws:sns:us-east-1:123456789012:things"
    stacks.create("custom-topic", json.dumps(body))
    assert "calls Lambda functions only" in stacks.reasons("custom-topic", "CREATE_FAILED")["Thing"]
