"""What the embedded AWS cannot apply of a template: the resource is made, and its event says what is missing."""

import json
from typing import Any

from tests.local.embedded_aws import Stacks


def template(**properties: Any) -> str:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": properties}
    return json.dumps({"Resources": {"Bucket": bucket}, "Outputs": {"Name": {"Value": {"Ref": "Bucket"}}}})


ACCELERATED = {"AccelerateConfiguration": {"AccelerationStatus": "Enabled"}}


def test_a_property_that_is_not_applied_is_named_in_the_event(stacks: Stacks) -> None:
    stacks.create("left-out", template(**ACCELERATED, VersioningConfiguration={"Status": "Enabled"}))
    reasons = stacks.reasons("left-out", "CREATE_COMPLETE")
    assert reasons["Bucket"] == "The embedded AWS does not apply: AccelerateConfiguration"


def test_so_is_one_inside_another(stacks: Stacks) -> None:
    default = {"SSEAlgorithm": "AES256", "Colour": "green"}
    encryption = {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default}]}
    stacks.create("left-out-inside", template(BucketEncryption=encryption))
    assert "Colour" in stacks.reasons("left-out-inside", "CREATE_COMPLETE")["Bucket"]


def test_an_update_names_only_what_it_changes(stacks: Stacks) -> None:
    stacks.create("left-out-later", template(**ACCELERATED))
    stacks.update("left-out-later", template(**ACCELERATED, Tags=[{"Key": "colour", "Value": "red"}]))
    assert stacks.reasons("left-out-later", "UPDATE_COMPLETE")["Bucket"] == ""

    stacks.create("left-out-now", template(Tags=[{"Key": "colour", "Value": "red"}]))
    stacks.update("left-out-now", template(**ACCELERATED))
    assert "AccelerateConfiguration" in stacks.reasons("left-out-now", "UPDATE_COMPLETE")["Bucket"]
