"""An image as those see it who run it, whoever builds it and wherever it lies."""

from dataclasses import dataclass

from hf_sagemaker.container_image import ContainerImage


@dataclass(frozen=True, kw_only=True)
class ImageByDigest:
    """What is in a repository under the digest that a parameter holds.

    image: what it is compatible with.
    repository_uri: `<registry>/<repository>`.
    parameter_name, parameter_arn: of the SSM parameter that says `<repository_uri>@sha256:…`, or something else as long
        as there is no image.
    missing: what a run says then: what is not done yet, and how to. For example `built yet: run hfsm build`.
    """

    image: ContainerImage
    repository_uri: str
    parameter_name: str
    parameter_arn: str
    missing: str
