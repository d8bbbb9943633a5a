"""Promoting images: a function judges what was asked for, and alone may write which digest runs here."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.promoted_image import PromotedImage


class ImagePromotion(Construct):
    """A function that promotes the images of one environment, and no others.

    function: its input is {rules: name of an image's parameter, version: of what its request parameter says}.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        images: Sequence[PromotedImage],
        key: kms.IKey,
        function_root: Path,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the function.

        images: that it may promote. key: encrypts its log group.
        function_root, reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        repositories = sorted({image.repository.repository_arn for image in images})
        self.function = PythonFunction(
            self,
            "Promoter",
            source_root=function_root,
            package="watch_images",
            module="promotion_handler",
            description="Promotes images",
            key=key,
            permissions=[
                allow.allow(allow.ECR_LOOK, *repositories),
                allow.allow(
                    ["ssm:GetParameter"], *(p.parameter_arn for image in images for p in (image.rules, image.digest))
                ),
                allow.allow(["ssm:GetParameterHistory"], *(image.request.parameter_arn for image in images)),
                allow.write_parameters(*(p for image in images for p in (image.digest, image.record))),
            ],
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        ).function
