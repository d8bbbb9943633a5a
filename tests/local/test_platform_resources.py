"""Every resource type of our templates: created, changed in place and deleted, as boto3 shows it afterwards."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.local import (
    api_resource_cases,
    data_resource_cases,
    guard_resource_cases,
    internet_resource_cases,
    network_resource_cases,
    sagemaker_resource_cases,
    services_resource_cases,
    watch_resource_cases,
)
from tests.local.embedded_aws import RunningLocalCloud, Stacks
from tests.local.resource_case import Case, Clients, Properties

CASES = [
    *network_resource_cases.CASES,
    *internet_resource_cases.CASES,
    *data_resource_cases.CASES,
    *guard_resource_cases.CASES,
    *sagemaker_resource_cases.CASES,
    *services_resource_cases.CASES,
    *watch_resource_cases.CASES,
    *api_resource_cases.CASES,
]

# Outputs that some cases need of the resources beside theirs.
BESIDE = {
    "Key": "OtherKey",
    "Role": "OtherRole",
    "Subnet": "OtherSubnet",
    "Group": "OtherGroup",
    "Function": "Other",
    "Topic": "OtherTopic",
    "Table": "OtherTable",
    "Gateway": "OtherGateway",
    "Address": "OtherAddress",
    "Vpc": "OtherVpc",
    "Queue": "OtherQueue",
    "Api": "OtherApi",
}


def template(case: Case, properties: Properties) -> str:
    outputs = {"Ref": {"Value": {"Ref": "Resource"}}}
    outputs |= {name: {"Value": {"Fn::GetAtt": ["Resource", name]}} for name in case.attributes}
    outputs |= {BESIDE[name]: {"Value": {"Ref": name}} for name in case.others if name in BESIDE}
    resource = {"Type": case.type_name, "Properties": properties}
    return json.dumps({"Resources": {**case.others, "Resource": resource}, "Outputs": outputs})


def assert_gone(case: Case, api: Clients, outputs: dict[str, str]) -> None:
    try:
        shown = case.show(api, outputs)
    except ClientError:
        return
    except IndexError:
        assert case.gone is IndexError
        return
    assert shown == case.gone


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.type_name.removeprefix("AWS::"))
def test_is_created_changed_and_deleted(localcloud: RunningLocalCloud, stacks: Stacks, case: Case) -> None:
    api, name = localcloud.client, case.type_name.removeprefix("AWS::").replace("::", "-")

    # When it is created, then boto3 shows it, and nothing of it was left out
    stack = stacks.create(name, template(case, case.before))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(name, "CREATE_FAILED")
    assert not any(stacks.reasons(name, "CREATE_COMPLETE").values())
    created = stacks.outputs(name)
    assert case.show(api, created) == case.first

    # When it is changed, then boto3 shows the change, in the same resource where CloudFormation keeps it
    stack = stacks.update(name, template(case, case.after))
    failures = stacks.reasons(name, "UPDATE_FAILED") | stacks.reasons(name, "CREATE_FAILED")
    assert stack["StackStatus"] == "UPDATE_COMPLETE", failures
    updated = stacks.outputs(name)
    assert case.show(api, updated) == case.second
    assert (created["Ref"] != updated["Ref"]) is case.replaced
    assert stacks.reasons(name, "DELETE_FAILED") == {}

    # When the stack is deleted, then it is gone
    stack = stacks.delete(name)
    assert stack["StackStatus"] == "DELETE_COMPLETE", stacks.reasons(stack["StackId"], "DELETE_FAILED")
    assert_gone(case, api, updated)
