"""Models of endpoints that come from S3: looked at before they are served, with inference code put beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aws_cdk import CustomResource, Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.built_image import BuiltImage
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.inference_code import LEFT_OUT
from hf_sagemaker.model_source import ModelData, ModelSource

PREPARED_TYPE = "Custom::HuggingFaceModel"
"""Of the resource that stands for a model that was looked at."""
_ONE_PROCESSOR = 1769
_LONGEST = Duration.minutes(15)
"""As long as Lambda lets a function run."""


@dataclass(frozen=True, kw_only=True)
class ModelToPrepare:
    """A model and what it is to be served with.

    name: the endpoint's; names the construct. source: with `data`. image: serves it. code: folder with inference.py.
    None: the image's own code serves it.
    """

    name: str
    source: ModelSource
    image: BuiltImage
    code: Path | None = None


class PreparedModels(Construct):
    """One function, and for each model a resource that fails where an endpoint could not be deployed: the image has not
    been built, the model is not there, or not whole.

    sources: by name: the model as it can be served. With code, that is a package below `packages/` in the bucket. Other
        code, or another model, is another package; none is ever changed or deleted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        models: Sequence[ModelToPrepare],
        bucket: s3.IBucket,
        role: iam.Role,
        log_key: kms.IKey,
        function_root: Path,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Prepares the models with each deployment.

        bucket: the models bucket, where packages go.
        role: assumed by the function. Must be able to read that bucket and to write below `packages/`; to read these
            models in other buckets, and the code, is added here.
        log_key: encrypts the function's logs. removal_policy: of these logs. Omitted: they are kept.
        function_root: folder with the packages `package_model` and `custom_resource`.
        reserved_concurrency: as `PythonFunction` takes it.
        """
        super().__init__(scope, construct_id)
        codes = {model.name: self._code(model.name, model.code) for model in models if model.code}
        self._function = PythonFunction(
            self,
            "Function",
            source_root=function_root,
            package="package_model",
            shared=["custom_resource"],
            description="Looks at models before they are served, and puts inference code beside them",
            key=log_key,
            role=role,
            permissions=[
                *_read(models, bucket),
                *(
                    allow.allow(["s3:GetObject"], each.bucket.arn_for_objects(each.s3_object_key))
                    for each in codes.values()
                ),
            ],
            memory_size=_ONE_PROCESSOR,
            timeout=_LONGEST,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        self.sources: Mapping[str, ModelSource] = {
            model.name: self._prepared(model, codes.get(model.name), bucket) for model in models
        }

    def _code(self, name: str, folder: Path) -> assets.Asset:
        return assets.Asset(
            self, f"{_words(name)}Code", path=str(folder), exclude=list(LEFT_OUT), ignore_mode=IgnoreMode.GIT
        )

    def _prepared(self, model: ModelToPrepare, code: assets.Asset | None, bucket: s3.IBucket) -> ModelSource:
        data = _data(model.source)
        properties = {
            "Name": model.source.name,
            "Bucket": data.bucket.bucket_name,
            "Key": data.key,
            "Manifest": data.manifest,
            "Image": model.image.said,
            "ImageName": model.image.image.name,
            "TargetBucket": bucket.bucket_name,
        }
        if code:
            properties |= {
                "CodeBucket": code.s3_bucket_name,
                "CodeKey": code.s3_object_key,
                "CodeHash": code.asset_hash,
            }
        resource = CustomResource(
            self,
            _words(model.name),
            resource_type=PREPARED_TYPE,
            service_token=self._function.function.function_arn,
            service_timeout=Duration.minutes(20),
            properties=properties,
        )
        uri = resource.get_att_string("Uri")
        place = replace(data, uri=uri, bucket=bucket, key_of_bucket=None) if code else replace(data, uri=uri)
        return replace(model.source, data=place)


def _read(models: Sequence[ModelToPrepare], own: s3.IBucket) -> list[allow.Permission]:
    """The places of models outside our own bucket, and the keys of their buckets."""
    places = [place for model in models if (place := _data(model.source)).bucket is not own]
    keys = {place.bucket.bucket_name: (place.key_of_bucket, place.bucket) for place in places}
    return [
        *(allow.read_model(place.bucket, place.key) for place in places),
        *(allow.decrypt_objects(key, bucket) for key, bucket in keys.values() if key),
    ]


def _data(source: ModelSource) -> ModelData:
    if source.data is None:
        raise ValueError(f"{source.name} is a model of the registry, which names what it is served with.")
    return source.data


def _words(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))
