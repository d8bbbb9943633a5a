"""An image that another environment builds, and that runs here by the digest that was promoted."""

import json
from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.image_build import NOT_BUILT
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.image_watch import AcceptedFinding
from hf_sagemaker.place import place_of


class PromotedImage(Construct):
    """The parameters by which an image is promoted. It has no repository and no build.

    image: what it is compatible with. repository: the other environment's, which must let this one pull.
    digest: the parameter with the image that runs here, `<repository>@sha256:…`, or NOT_BUILT. Whoever runs the image
        reads it there.
    rules: the parameter with what may be promoted, as `watch_images.promotion.PromotionRules` reads it.
    request: the parameter into which people write the digest that they ask for: SSM remembers who wrote it, which
        nobody can make up.
    record: the parameter with what was promoted last, when, from which digest, and for whom; SSM keeps the 100 before.
    by_digest: the image as it was promoted last, for those that run it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        described: ContainerImage,
        environment: str,
        account: str,
        repository_name: str,
        parameter_path: str,
        on_findings: str = "critical",
        accepted: Sequence[AcceptedFinding] = (),
    ) -> None:
        """Creates the parameters.

        described: the image as the other environment builds it.
        environment, account, repository_name: who builds it, and where, in this region.
        parameter_path: the parameters are `<path>/digest`, `/promotion-rules`, `/promotion-request` and `/promotion`.
        on_findings: an image with findings of that severity or above, `critical` or `high`, is not promoted. `none`:
            findings stop none.
        accepted: findings that do not count, each until its day.
        """
        super().__init__(scope, construct_id)
        place = place_of(self)
        self.image = described
        self.repository = ecr.Repository.from_repository_attributes(
            self,
            "Repository",
            repository_name=repository_name,
            repository_arn=f"arn:{place.partition}:ecr:{place.region}:{account}:repository/{repository_name}",
        )
        # At the same path as in an ExtendedImage: CloudFormation then keeps it when an image that was built here is
        # promoted from now on, or the other way round. It could not make one of a name that is there.
        self.digest = _parameter(Construct(self, "Build"), "Digest", f"{parameter_path}/digest")
        self.by_digest = ImageByDigest(
            image=described,
            repository_uri=self.repository.repository_uri,
            parameter_name=f"{parameter_path}/digest",
            parameter_arn=self.digest.parameter_arn,
            missing="promoted yet: run hfsm images promote",
        )
        self.request = _parameter(self, "Request", f"{parameter_path}/promotion-request")
        self.record = _parameter(self, "Record", f"{parameter_path}/promotion")
        rules: dict[str, Any] = {
            "environment": environment,
            "account": account,
            "repository": repository_name,
            "repository_uri": self.repository.repository_uri,
            "digest": f"{parameter_path}/digest",
            "request": f"{parameter_path}/promotion-request",
            "record": f"{parameter_path}/promotion",
            "on_findings": on_findings,
            "accepted": [{"name": each.name, "until": each.until.isoformat()} for each in accepted],
        }
        self.rules = ssm.StringParameter(
            self, "Rules", parameter_name=f"{parameter_path}/promotion-rules", string_value=json.dumps(rules)
        )


def _parameter(scope: Construct, construct_id: str, name: str) -> ssm.StringParameter:
    # Nothing but name and value, as of ImageBuild: what was written since would be gone.
    return ssm.StringParameter(scope, construct_id, parameter_name=name, string_value=NOT_BUILT)
