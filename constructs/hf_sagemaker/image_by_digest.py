"""What runs images needs to know of one: built here, or promoted from another environment."""

from typing import Protocol

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ssm as ssm

from hf_sagemaker.container_image import ContainerImage


class ImageByDigest(Protocol):
    """An image whose digest a parameter says.

    image: what it is compatible with. repository: where it is pulled from. digest: the parameter with
    `<repository>@sha256:…`, or `none`. missing: what a run says when it is `none`: what is not done yet, and how to.
    """

    @property
    def image(self) -> ContainerImage: ...

    @property
    def repository(self) -> ecr.IRepository: ...

    @property
    def digest(self) -> ssm.IStringParameter: ...

    @property
    def missing(self) -> str: ...
