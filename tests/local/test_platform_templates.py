"""What CloudFormation makes of a template: what it refuses, resolves, changes and undoes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.embedded_aws import RunningLocalCloud, Stacks
from tests.local.stack_templates import exists, parameter, template, value_of


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"A": parameter({"Ref": "Missing"})}, "A → Missing"),
        ({"A": parameter({"Fn::Sub": "${Missing.Arn}"})}, "A → Missing"),
        ({"A": parameter({"Ref": "B"}), "B": parameter({"Ref": "A"})}, "Circular dependency.*A, B"),
        ({}, "At least one Resources member"),
    ],
    ids=["ref", "sub", "circle", "empty"],
)
def test_a_template_that_cannot_be_right_is_refused(stacks: Stacks, resources: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        stacks.create("not-right", template(resources))


def test_functions_and_conditions(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    # Given a template with every function that our stacks and the CLI's use
    values = {
        "Join": {"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}]]},
        "Sub": {"Fn::Sub": ["${AWS::AccountId}/${Own}/${Named}/${!Literal}", {"Own": "own"}]},
        "Select": {"Fn::Select": [1, {"Fn::Split": [",", "x,y,z"]}]},
        "If": {"Fn::If": ["IsBig", "big", "small"]},
        "Map": {"Fn::FindInMap": ["Sizes", {"Ref": "Size"}, "gb"]},
        "Att": {"Fn::GetAtt": ["Named", "Value"]},
        "Zone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
        "Json": {"Fn::ToJsonString": {"a": [1, {"Ref": "Size"}]}},
        "Base64": {"Fn::Base64": "hi"},
        "Dynamic": "{{resolve:ssm:/functions/given}}",
        "List": {"Fn::Join": ["+", {"Ref": "Words"}]},
    }
    localcloud.client("ssm").put_parameter(Name="/functions/given", Value="given", Type="String")
    body = template(
        {
            "Named": parameter("named", Name="/functions/named"),
            "Absent": parameter("x", Name="/functions/absent") | {"Condition": "IsSmall"},
            "Present": parameter("x", Name="/functions/present", Description={"Ref": "AWS::NoValue"})
            | {"Condition": "IsBig"},
        },
        Parameters={
            "Size": {"Type": "String", "Default": "big"},
            "Words": {"Type": "CommaDelimitedList"},
            "Given": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/functions/given"},
        },
        Mappings={"Sizes": {"big": {"gb": "100"}}},
        Conditions={
            "IsBig": {"Fn::And": [{"Fn::Equals": [{"Ref": "Size"}, "big"]}, {"Fn::Not": [{"Condition": "IsSmall"}]}]},
            "IsSmall": {"Fn::Equals": [{"Ref": "Size"}, "small"]},
        },
        Outputs={key: {"Value": value} for key, value in values.items()} | {"Given": {"Value": {"Ref": "Given"}}},
    )

    # When it is deployed
    stack = stacks.create("functions", body, Parameters=[{"ParameterKey": "Words", "ParameterValue": "one,two"}])

    # Then each is what CloudFormation makes of it
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.outputs("functions") == {
        "Join": "a-us-east-1",
        "Sub": "123456789012/own//functions/named/${Literal}",
        "Select": "y",
        "If": "big",
        "Map": "100",
        "Att": "named",
        "Zone": "us-east-1a",
        "Json": '{"a":[1,"big"]}',
        "Base64": "aGk=",
        "Dynamic": "given",
        "List": "one+two",
        "Given": "given",
    }
    assert exists(localcloud, "/functions/present")
    assert not exists(localcloud, "/functions/absent")


def weak_reference(**arguments: str) -> dict[str, Any]:
    return {"Fn::GetStackOutput": {"StackName": "producer", "OutputName": "Name", **arguments}}


def producer(value: str) -> str:
    return template({"P": parameter(value, Name="/weak/producer")}, Outputs={"Name": {"Value": value}})


@pytest.mark.parametrize(
    "arguments",
    [{}, {"Region": "us-east-1"}, {"RoleArn": "arn:aws:iam::123456789012:role/reader"}],
    ids=["plain", "region", "role"],
)
def test_a_weak_reference_reads_the_output_of_another_stack(
    localcloud: RunningLocalCloud, stacks: Stacks, arguments: dict[str, str]
) -> None:
    stacks.create("producer", producer("first"))
    stacks.create("consumer", template({"C": parameter(weak_reference(**arguments), Name="/weak/consumer")}))

    assert value_of(localcloud, "/weak/consumer") == "first"


def test_a_weak_reference_binds_nothing_and_follows_at_the_next_update(
    localcloud: RunningLocalCloud, stacks: Stacks
) -> None:
    # Given a consumer of an output
    consumer = template({"C": parameter(weak_reference(), Name="/weak/consumer")})
    stacks.create("producer", producer("first"))
    stacks.create("consumer", consumer)
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update("consumer", consumer)

    # When the output changes, then the consumer with the same text has something to do
    stacks.update("producer", producer("second"))
    assert stacks.update("consumer", consumer)["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(localcloud, "/weak/consumer") == "second"

    # And the producer can be deleted while it is read
    assert stacks.delete("producer")["StackStatus"] == "DELETE_COMPLETE"


def test_a_weak_reference_to_nothing_fails_the_resource(stacks: Stacks) -> None:
    stack = stacks.create("consumer", template({"C": parameter(weak_reference(), Name="/weak/consumer")}))

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "producer" in stacks.reasons("consumer", "CREATE_FAILED")["C"]


def test_an_export_in_use_cannot_be_deleted(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    exporting = template(
        {"P": parameter("exported", Name="/export/producer")},
        Outputs={"Name": {"Value": "exported", "Export": {"Name": "shared-name"}}},
    )
    stacks.create("exporter", exporting)
    stacks.create("importer", template({"C": parameter({"Fn::ImportValue": "shared-name"}, Name="/export/consumer")}))

    assert value_of(localcloud, "/export/consumer") == "exported"
    with pytest.raises(ClientError, match=r"shared-name cannot be deleted as it is in use by importer"):
        stacks.delete("exporter")


def test_a_failed_creation_tells_why_and_leaves_nothing(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    # Given a stack whose second resource cannot be created: its name is taken
    localcloud.client("ssm").put_parameter(Name="/rollback/taken", Value="mine", Type="String")
    resources = {
        "First": parameter("1", Name="/rollback/first"),
        "Second": parameter({"Ref": "First"}, Name="/rollback/taken"),
        "Third": parameter({"Ref": "Second"}, Name="/rollback/third"),
    }

    stack = stacks.create("rollback", template(resources))

    # Then the reason is told, what was made is gone, and what was there before is untouched
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "ParameterAlreadyExists" in stacks.reasons("rollback", "CREATE_FAILED")["Second"]
    assert not exists(localcloud, "/rollback/first")
    assert value_of(localcloud, "/rollback/taken") == "mine"


def test_a_failed_update_brings_back_what_was(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    # Given a stack
    before = {
        "Changed": parameter("1", Name="/undo/changed"),
        "Replaced": parameter("1", Name="/undo/replaced"),
        "Removed": parameter("1", Name="/undo/removed"),
    }
    stacks.create("undo", template(before))

    # When an update changes one, replaces one, adds one, and fails at the last
    after = {
        "Changed": parameter("2", Name="/undo/changed"),
        "Replaced": parameter("2", Name="/undo/replacement"),
        "Added": parameter("2", Name="/undo/added"),
        "Wrong": parameter({"Fn::GetAtt": ["Added", "NoSuchAttribute"]}),
    }
    stack = stacks.update("undo", template(after))

    # Then all is as it was, and the reason names the attribute
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "NoSuchAttribute" in stacks.reasons("undo", "CREATE_FAILED")["Wrong"]
    assert value_of(localcloud, "/undo/changed") == "1"
    assert value_of(localcloud, "/undo/replaced") == "1"
    assert exists(localcloud, "/undo/removed")
    assert not exists(localcloud, "/undo/replacement")
    assert not exists(localcloud, "/undo/added")

    # And the stack can be updated again
    assert stacks.update("undo", template({"Changed": before["Changed"]}))["StackStatus"] == "UPDATE_COMPLETE"
    assert not exists(localcloud, "/undo/removed")


def test_deletion_honours_the_policies_and_names_what_is_not_empty(
    localcloud: RunningLocalCloud, stacks: Stacks
) -> None:
    # Given a stack with a bucket that holds an object, and a parameter that is to be retained
    s3 = localcloud.client("s3")
    resources = {
        "Kept": parameter("1", Name="/policies/kept") | {"DeletionPolicy": "Retain"},
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "policies-not-empty"}},
    }
    stacks.create("policies", template(resources))
    s3.put_object(Bucket="policies-not-empty", Key="a", Body=b"a")

    # When it is deleted, then the bucket is named
    stack = stacks.delete("policies")
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert "policies-not-empty is not empty" in stacks.reasons("policies", "DELETE_FAILED")["Bucket"]

    # And once the bucket is empty, a second deletion succeeds
    s3.delete_object(Bucket="policies-not-empty", Key="a")
    assert stacks.delete("policies")["StackStatus"] == "DELETE_COMPLETE"
    assert exists(localcloud, "/policies/kept")


def test_a_change_set_describes_and_executes(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    stacks.create("change-set", template({"A": parameter("1", Name="/change-set/a")}))
    changed = template({"A": parameter("2", Name="/change-set/a"), "B": parameter("2", Name="/change-set/b")})

    # When a change set is made, then it says what would change, and nothing has
    stacks.api.create_change_set(
        StackName="change-set", ChangeSetName="two", ChangeSetType="UPDATE", TemplateBody=changed
    )
    described = stacks.api.describe_change_set(StackName="change-set", ChangeSetName="two")
    changes = {
        each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"]["Action"] for each in described["Changes"]
    }
    assert changes == {"A": "Modify", "B": "Add"}
    assert value_of(localcloud, "/change-set/a") == "1"

    # And executed, it is so
    stacks.api.execute_change_set(StackName="change-set", ChangeSetName="two")
    assert stacks.wait("change-set")["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(localcloud, "/change-set/a") == "2"
    assert exists(localcloud, "/change-set/b")
