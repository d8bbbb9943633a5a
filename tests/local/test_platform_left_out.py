"""What the embedded AWS does not know of a template: a type is refused, a property is named in its resource's event."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.embedded_aws import RunningLocalCloud, Stacks
from tests.local.stack_templates import exists, parameter, template

UNKNOWN = {
    "Good": parameter("1", Name="/unknown/good"),
    "Farm": {"Type": "AWS::Quantum::Farm"},
    "Field": {"Type": "AWS::Quantum::Field"},
    "Second": {"Type": "AWS::Quantum::Field"},
    "Nested": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "x"}},
}


def assert_names_all_unknown(message: str) -> None:
    assert "AWS::Quantum::Farm (Farm)" in message
    assert "AWS::Quantum::Field (Field, Second)" in message
    assert "AWS::CloudFormation::Stack (Nested)" in message
    assert "Good" not in message


def test_unknown_types_are_all_named_and_nothing_is_created(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    # When a stack is created that holds types that nobody knows
    with pytest.raises(ClientError) as refused:
        stacks.create("unknown-types", template(UNKNOWN))

    # Then all of them are named with their logical ids, and neither the stack nor its good resource is there
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert_names_all_unknown(str(refused.value))
    assert not exists(localcloud, "/unknown/good")
    with pytest.raises(ClientError, match="does not exist"):
        stacks.api.describe_stacks(StackName="unknown-types")


def test_unknown_types_are_refused_in_updates_and_change_sets(localcloud: RunningLocalCloud, stacks: Stacks) -> None:
    stacks.create("unknown-later", template({"First": parameter("1", Name="/unknown/first")}))

    with pytest.raises(ClientError) as update:
        stacks.update("unknown-later", template(UNKNOWN))
    with pytest.raises(ClientError) as change_set:
        stacks.api.create_change_set(
            StackName="unknown-later",
            ChangeSetName="change",
            ChangeSetType="UPDATE",
            TemplateBody=template(UNKNOWN),
        )

    assert_names_all_unknown(str(update.value))
    assert_names_all_unknown(str(change_set.value))
    assert stacks.wait("unknown-later")["StackStatus"] == "CREATE_COMPLETE"
    assert exists(localcloud, "/unknown/first")


def bucket(**properties: Any) -> str:
    return template({"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}})


ACCELERATED = {"AccelerateConfiguration": {"AccelerationStatus": "Enabled"}}


def test_a_property_that_is_not_applied_is_named_in_the_event(stacks: Stacks) -> None:
    stacks.create("left-out", bucket(**ACCELERATED, VersioningConfiguration={"Status": "Enabled"}))
    reasons = stacks.reasons("left-out", "CREATE_COMPLETE")
    assert reasons["Bucket"] == "The embedded AWS does not apply: AccelerateConfiguration"


def test_so_is_one_inside_another(stacks: Stacks) -> None:
    default = {"SSEAlgorithm": "AES256", "Colour": "green"}
    encryption = {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default}]}
    stacks.create("left-out-inside", bucket(BucketEncryption=encryption))
    assert "Colour" in stacks.reasons("left-out-inside", "CREATE_COMPLETE")["Bucket"]


def test_an_update_names_only_what_it_changes(stacks: Stacks) -> None:
    stacks.create("left-out-later", bucket(**ACCELERATED))
    stacks.update("left-out-later", bucket(**ACCELERATED, Tags=[{"Key": "colour", "Value": "red"}]))
    assert stacks.reasons("left-out-later", "UPDATE_COMPLETE")["Bucket"] == ""

    stacks.create("left-out-now", bucket(Tags=[{"Key": "colour", "Value": "red"}]))
    stacks.update("left-out-now", bucket(**ACCELERATED))
    assert "AccelerateConfiguration" in stacks.reasons("left-out-now", "UPDATE_COMPLETE")["Bucket"]
