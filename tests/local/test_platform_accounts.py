"""Accounts beside the default one: whose a call is, and whose what runs there."""

import io
import json
import time
import zipfile

from tests.local.embedded_aws import RunningLocalCloud
from tests.local.resource_case import trust

OTHER = "444455556666"
HANDLER = """
import boto3


def handle(event, context):
    return {"account": boto3.client("sts").get_caller_identity()["Account"]}
"""


def test_a_key_id_of_twelve_digits_is_that_accounts(localcloud: RunningLocalCloud) -> None:
    assert localcloud.client("sts", OTHER).get_caller_identity()["Account"] == OTHER
    assert localcloud.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_what_runs_in_an_account_calls_as_that_account(localcloud: RunningLocalCloud) -> None:
    # Given a function of another account, and a state machine there that invokes it
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("index.py", HANDLER)
    role = localcloud.client("iam", OTHER).create_role(
        RoleName="worker", AssumeRolePolicyDocument=json.dumps(trust("states.amazonaws.com"))
    )["Role"]["Arn"]
    function = localcloud.client("lambda", OTHER).create_function(
        FunctionName="whoami",
        Runtime="python3.13",
        Handler="index.handle",
        Role=role,
        Timeout=30,
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {}},
        "OutputPath": "$.Payload",
        "End": True,
    }
    states = localcloud.client("stepfunctions", OTHER)
    machine = states.create_state_machine(
        name="ask", roleArn=role, definition=json.dumps({"StartAt": "Ask", "States": {"Ask": task}})
    )["stateMachineArn"]

    # When it runs
    execution = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    deadline = time.monotonic() + 30
    while (done := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.1)

    # Then the function is found, and acts, in that account
    assert done["status"] == "SUCCEEDED", done
    assert json.loads(done["output"]) == {"account": OTHER}
