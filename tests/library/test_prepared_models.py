"""Models from S3 by themselves: where they come from, in which image they run, and what prepares them."""

from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from hf_sagemaker.built_image import BuiltImage
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint import HuggingFaceEndpoint
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.prepared_models import ModelPreparation, PreparedModel

LAMBDA = Path(__file__).parents[2] / "lambda"
COMMIT = "a" * 40
REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/images/inference"
IMAGE = ContainerImage(name="inference", uri="…", product="inference", cuda=(12, 4))
PREPARED = "Custom::HuggingFaceModel"


@pytest.fixture
def image(stack: Any) -> BuiltImage:
    return BuiltImage(stack, "Image", image=IMAGE, repository_uri=REPOSITORY, digest_parameter="/images/digest")


def _hub(stack: Any) -> ModelSource:
    return ModelSource.from_hub("team/tiny", COMMIT, bucket=stack.buckets.models, bucket_key=stack.keys.models)


def _prepare(stack: Any, source: ModelSource, image: BuiltImage, code: Path | None = None) -> PreparedModel:
    preparation = ModelPreparation(
        stack,
        "Models",
        role=iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")),
        code_bucket="assets",
        log_key=stack.key,
        function_root=LAMBDA,
    )
    return PreparedModel(
        stack,
        "Tiny",
        source=source,
        image=image,
        bucket=stack.buckets.models,
        function=preparation.function,
        code=code,
    )


def _code(folder: Path) -> Path:
    (folder / "inference.py").write_text("def model_fn(model_dir): ...\n")
    return folder


def test_an_image_is_what_the_parameter_says_behind_its_own_address(stack: Any, image: BuiltImage) -> None:
    # Whoever could write the parameter could name no other repository
    digest = {"Fn::Select": [1, {"Fn::Split": ["@", {"Ref": Match.string_like_regexp("ImageDigest")}]}]}
    HuggingFaceEndpoint(
        stack,
        "Endpoint",
        endpoint_name="tiny",
        model=_hub(stack),
        image=image.image,
        role=stack.role,
        placement=stack.placement,
        key=stack.key,
    )
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::Model",
        {
            "PrimaryContainer": {
                "Image": {"Fn::Join": ["", [f"{REPOSITORY}@", digest]]},
                "Environment": {"HF_HUB_OFFLINE": "1"},  # no task given: the container derives it
                "ModelDataSource": {"S3DataSource": {"S3Uri": f"s3://models/hub/team--tiny/{COMMIT}/"}},
            }
        },
    )


def test_a_model_without_an_image_is_refused(stack: Any) -> None:
    with pytest.raises(ValueError, match="comes without an image"):
        HuggingFaceEndpoint(
            stack,
            "Endpoint",
            endpoint_name="tiny",
            model=_hub(stack),
            role=stack.role,
            placement=stack.placement,
            key=stack.key,
        )


@pytest.mark.parametrize("key", ["trained/1", "trained/1/model.zip"])
def test_a_key_that_is_neither_archive_nor_prefix_is_refused(stack: Any, key: str) -> None:
    with pytest.raises(ValueError, match="neither an archive"):
        ModelSource.from_s3(stack.buckets.models, key)


def test_a_mirrored_model_is_looked_for_by_its_manifest(stack: Any, image: BuiltImage) -> None:
    _prepare(stack, _hub(stack), image)
    Template.from_stack(stack).has_resource_properties(
        PREPARED,
        {
            "Name": f"hub/team/tiny@{COMMIT}",
            "Key": f"hub/team--tiny/{COMMIT}/",
            "Manifest": f"hub/team--tiny/{COMMIT}.json",
            "CodeHash": Match.absent(),
        },
    )


def test_code_makes_a_package_of_our_bucket(stack: Any, image: BuiltImage, tmp_path: Path) -> None:
    # Given a model in a bucket of the team's, and code
    team = s3.Bucket.from_bucket_name(stack, "Team", "the-teams-models")
    source = ModelSource.from_s3(team, "tiny/")
    prepared = _prepare(stack, source, image, _code(tmp_path))
    # Then what is served is the package, and the function may read the code
    data = prepared.source.data
    assert data is not None
    assert data.bucket is stack.buckets.models
    assert data.uri != "s3://the-teams-models/tiny/"
    template = Template.from_stack(stack)
    template.has_resource_properties(PREPARED, {"CodeHash": Match.any_value(), "TargetBucket": "models"})
    (policy,) = template.find_resources("AWS::IAM::ManagedPolicy").values()
    assert ":s3:::assets/*.zip" in str(policy)


def test_hidden_files_beside_the_code_change_nothing(new_stack: type[Any], tmp_path: Path) -> None:
    hashes = []
    for name in ("inference.py", ".secret", "__pycache__"):
        if name == "__pycache__":
            (tmp_path / name).mkdir()
            (tmp_path / name / "inference.pyc").write_text("")
        elif name != "inference.py":
            (tmp_path / name).write_text("")
        stack = new_stack()
        built = BuiltImage(stack, "Image", image=IMAGE, repository_uri=REPOSITORY, digest_parameter="/images/digest")
        _prepare(stack, _hub(stack), built, _code(tmp_path))
        (resource,) = Template.from_stack(stack).find_resources(PREPARED).values()
        hashes.append(resource["Properties"]["CodeHash"])
    assert len(set(hashes)) == 1


def test_a_registered_model_is_not_prepared(stack: Any, image: BuiltImage) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model-package/group/1"
    with pytest.raises(ValueError, match="is a model of the registry"):
        _prepare(stack, ModelSource.from_registry(arn), image)
