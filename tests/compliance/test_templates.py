"""Templates as controls read them: references as text, followed from stack to stack."""

from typing import Any

import pytest

from hf_sagemaker.controls.templates import Templates

ACCOUNT = "123456789012"


@pytest.fixture
def templates() -> Templates:
    """Two stacks; the second takes a bucket from the first by a weak reference."""
    return Templates(
        "dev",
        account=ACCOUNT,
        region="us-east-1",
        stacks={
            "dev-Data": {
                "Resources": {"Models": {"Type": "AWS::S3::Bucket"}, "Role": {"Type": "AWS::IAM::Role"}},
                "Outputs": {"Bucket": {"Value": {"Fn::GetAtt": ["Models", "Arn"]}}},
            },
            "dev-Training": {"Resources": {"Job": {"Type": "AWS::SSM::Parameter"}}},
        },
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"Ref": "Models"}, "${dev-Data/Models.Ref}"),
        ({"Fn::GetAtt": ["Models", "Arn"]}, "${dev-Data/Models.Arn}"),
        ({"Fn::GetAtt": "Models.Arn"}, "${dev-Data/Models.Arn}"),
        ({"Fn::Join": ["", [{"Fn::GetAtt": ["Models", "Arn"]}, "/*"]]}, "${dev-Data/Models.Arn}/*"),
        ({"Fn::Sub": "arn:${AWS::Partition}:s3:::${Models}"}, "arn:aws:s3:::${dev-Data/Models.Ref}"),
        ({"Fn::Sub": ["${B}/*", {"B": {"Ref": "Models"}}]}, "${dev-Data/Models.Ref}/*"),
        ({"Ref": "AWS::AccountId"}, ACCOUNT),
        ({"Ref": "AWS::NoValue"}, None),
        ({"Fn::Select": [1, ["a", "b"]]}, "b"),
        ({"Fn::Select": [4, {"Fn::Split": [":", {"Fn::GetAtt": ["Role", "Arn"]}]}]}, ACCOUNT),
    ],
)
def test_intrinsic_functions_become_text(templates: Templates, value: Any, text: object) -> None:
    assert templates.resolve(value, "dev-Data") == text


def test_a_reference_to_another_stack_leads_to_its_resource(templates: Templates) -> None:
    # Given what a weak reference looks like in a template
    reference = {"Fn::GetStackOutput": {"StackName": "dev-Data", "OutputName": "Bucket"}}
    # When it is resolved in the stack that holds it
    resolved = templates.resolve(reference, "dev-Training")
    # Then it names the resource of the other one
    found = templates.find(resolved)
    assert found is not None
    assert (found.stack, found.logical_id) == ("dev-Data", "Models")


def test_what_names_none_or_several_is_not_found(templates: Templates) -> None:
    assert templates.find("arn:aws:s3:::somewhere") is None
    assert templates.find(["${dev-Data/Models.Arn}", "${dev-Data/Role.Arn}"]) is None
    assert templates.find("${dev-Data/Gone.Arn}") is None
