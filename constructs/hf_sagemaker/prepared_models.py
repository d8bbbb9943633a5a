"""Models of endpoints that come from S3: looked at before they are served, with inference code put beside them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aws_cdk import CustomResource, Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.built_image import BuiltImage
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.inference_code import LEFT_OUT
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.place import place_of

PREPARED_TYPE = "Custom::HuggingFaceModel"
"""Of the resource that stands for a model that was looked at."""
_ONE_PROCESSOR = 1769
_LONGEST = Duration.minutes(15)
"""As long as Lambda lets a function run."""


class ModelPreparation(Construct):
    """The function that prepares an environment's models, whichever endpoints serve them.

    function: the Lambda function, which `PreparedModel` calls.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        role: iam.Role,
        permissions: Sequence[allow.Permission] = (),
        code_bucket: str | None = None,
        log_key: kms.IKey,
        function_root: Path,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the function.

        role: assumed by it. Must be able to read the models bucket and to write below `packages/` in it.
        permissions: to read models elsewhere. Omitted: there are none.
        code_bucket: name of the bucket of CDK assets, in which inference code lies. Omitted: no model has any.
        log_key: encrypts the function's logs. removal_policy: of these logs. Omitted: they are kept.
        function_root: folder with the packages `package_model` and `custom_resource`.
        reserved_concurrency: as `PythonFunction` takes it.
        """
        super().__init__(scope, construct_id)
        self.function: lambda_.IFunction = PythonFunction(
            self,
            "Function",
            source_root=function_root,
            package="package_model",
            shared=["custom_resource"],
            description="Looks at models before they are served, and puts inference code beside them",
            key=log_key,
            role=role,
            permissions=[*permissions, *([_read_code(self, code_bucket)] if code_bucket else [])],
            memory_size=_ONE_PROCESSOR,
            timeout=_LONGEST,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        ).function


class PreparedModel(Construct):
    """A resource that fails where an endpoint could not be deployed: the image has not been built, the model is not
    there, or not whole.

    source: the model as it can be served. With code, that is a package below `packages/` in the bucket. Other code, or
        another model, is another package; none is ever changed or deleted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source: ModelSource,
        image: BuiltImage,
        bucket: s3.IBucket,
        function: lambda_.IFunction,
        code: Path | None = None,
    ) -> None:
        """Prepares the model with each deployment.

        source: with `data`. image: serves it. bucket: the models bucket, where packages go.
        function: of `ModelPreparation`, which must be able to read the model.
        code: folder with inference.py. Omitted: the image's own code serves it.

        Raises ValueError for a model of the registry.
        """
        super().__init__(scope, construct_id)
        if source.data is None:
            raise ValueError(f"{source.name} is a model of the registry, which names what it is served with.")
        data = source.data
        properties = {
            "Name": source.name,
            "Bucket": data.bucket.bucket_name,
            "Key": data.key,
            "Manifest": data.manifest,
            "Image": image.said,
            "ImageName": image.image.name,
            "TargetBucket": bucket.bucket_name,
        }
        if code:
            packed = assets.Asset(self, "Code", path=str(code), exclude=list(LEFT_OUT), ignore_mode=IgnoreMode.GIT)
            properties |= {
                "CodeBucket": packed.s3_bucket_name,
                "CodeKey": packed.s3_object_key,
                "CodeHash": packed.asset_hash,
            }
        resource = CustomResource(
            self,
            "Model",
            resource_type=PREPARED_TYPE,
            service_token=function.function_arn,
            service_timeout=Duration.minutes(20),
            properties=properties,
        )
        uri = resource.get_att_string("Uri")
        place = replace(data, uri=uri, bucket=bucket, key_of_bucket=None) if code else replace(data, uri=uri)
        self.source = replace(source, data=place)


def _read_code(scope: Construct, bucket: str) -> allow.Permission:
    # Which assets there are, is decided with each endpoint: named one by one, they would change the function's stack.
    return allow.allow(
        ["s3:GetObject"],
        f"arn:{place_of(scope).partition}:s3:::{bucket}/*.zip",
        why_wildcards="Inference code is a packed CDK asset, named by its content.",
    )
