"""Where an endpoint's model comes from."""

from dataclasses import dataclass

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from hf_sagemaker.execution_roles import HUB_PREFIX

ARCHIVE = ".tar.gz"


@dataclass(frozen=True, kw_only=True)
class ModelData:
    """A model in S3.

    bucket, key: of an archive, or a prefix, which ends in a slash and is served as it is.
    key_of_bucket: the KMS key that encrypts the bucket. None: no key of a customer's.
    manifest: key of the object that is there only when the whole model is. Empty: there is none.
    uri: `s3://…`; a token where a deployment decides it.
    """

    bucket: s3.IBucket
    key: str
    key_of_bucket: kms.IKey | None = None
    manifest: str = ""
    uri: str

    @property
    def is_archive(self) -> bool:
        """Whether it is one compressed file."""
        return self.key.endswith(ARCHIVE)


@dataclass(frozen=True)
class ModelSource:
    """A choice, made by one of the class methods.

    model_package_arn: version in the model registry; it names image, model data and environment. None: `data` is served
        in an image that the endpoint names.
    data: None: the registry knows.
    name: what people call it.
    """

    name: str
    model_package_arn: str | None = None
    data: ModelData | None = None

    @classmethod
    def from_registry(cls, model_package_arn: str) -> "ModelSource":
        """An approved version of a model package group, `arn:…:model-package/<group>/<version>`."""
        return cls(model_package_arn, model_package_arn=model_package_arn)

    @classmethod
    def from_hub(
        cls, model_id: str, commit: str, *, bucket: s3.IBucket, bucket_key: kms.IKey | None = None
    ) -> "ModelSource":
        """A model that the mirror has brought.

        model_id: `<namespace>/<name>`. commit: 40 hexadecimal digits.
        bucket: the models bucket. bucket_key: the KMS key that encrypts it. Omitted: none of a customer's.
        """
        folder = f"{HUB_PREFIX}{model_id.replace('/', '--')}/{commit}"
        data = ModelData(
            bucket=bucket,
            key=f"{folder}/",
            key_of_bucket=bucket_key,
            manifest=f"{folder}.json",
            uri=bucket.s3_url_for_object(f"{folder}/"),
        )
        return cls(f"{HUB_PREFIX}{model_id}@{commit}", data=data)

    @classmethod
    def from_s3(cls, bucket: s3.IBucket, key: str, *, bucket_key: kms.IKey | None = None) -> "ModelSource":
        """A model that lies in S3.

        key: of an archive (`….tar.gz`), or a prefix, which ends in a slash, with the files as they are.
        bucket_key: the KMS key that encrypts the bucket. Omitted: none of a customer's.

        Raises ValueError for any other key.
        """
        if not key.endswith((ARCHIVE, "/")):
            raise ValueError(f"{key!r} is neither an archive ({ARCHIVE}) nor a prefix, which ends in a slash.")
        uri = bucket.s3_url_for_object(key)
        return cls(key, data=ModelData(bucket=bucket, key=key, key_of_bucket=bucket_key, uri=uri))
