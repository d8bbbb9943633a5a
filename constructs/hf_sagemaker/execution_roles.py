"""One role per duty: training, serving, transforming, building, mirroring, and so on. None can do another's work."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.arns import objects_arn
from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.package_sources import PackageSources
from hf_sagemaker.placement import Placement

SOURCES_PREFIX = "sources/"
"""Where people put training code, in the models bucket."""
TRAINED_PREFIX = "trained/"
"""Where training jobs put models, in the models bucket."""
ASYNCHRONOUS_PREFIX = "asynchronous/"
"""Where requests and answers of asynchronous endpoints lie, in the data bucket."""
GIT_PREFIX = "git/"
"""Where the build of Git code puts it, in the models bucket. Not below `sources/`, where people write."""
HUB_PREFIX = "hub/"
"""Where the mirror puts models of the Hub, in the models bucket."""
PACKAGES_PREFIX = "packages/"
"""Where models lie that inference code was put beside, in the models bucket."""
BILLS_PREFIX = "bills-of-materials/"
"""Where builds of images write which packages an image holds, in the bucket of builds."""
REPORTS_PREFIX = "reports/"
"""Where reports of training runs are written, in the models bucket."""
_PROCESSING = "/aws/sagemaker/ProcessingJobs"
"""Log group, and namespace of metrics."""
NOTEBOOK_ROLE = "sagemaker_execution_role"
"""The name that public notebooks fall back to outside SageMaker."""


@dataclass(frozen=True, kw_only=True)
class TransformAccess:
    """What batch transforms read and write besides the models bucket.

    inputs: bucket, its key (None: no key of a customer's), and the prefixes that are read, models elsewhere included.
    outputs: prefixes of the data bucket.
    """

    inputs: Sequence[tuple[s3.IBucket, kms.IKey | None, Sequence[str]]]
    outputs: Sequence[str]


class ExecutionRoles(Construct):
    """The roles of one environment that services assume.

    training: assumed by training jobs. Reads data, sources and models; writes trained models and checkpoints.
    serving: assumed by endpoints. Reads models; writes nothing but logs.
    asynchronous: serving's twin for endpoints with a queue in S3: it reads requests and puts answers below
        `asynchronous/`, and tells topics. None unless asked for.
    transforming: assumed by batch transforms. Reads models and the declared inputs, writes the declared outputs. None
        unless asked for.
    serverless: serving's twin for endpoints without instances, which run in no VPC: models are read by it from outside.
        None unless asked for.
    building: assumed by image builds. Pulls the published base images, pushes to this environment's repositories.
    mirroring: assumed by the build that brings models from the Hub. Writes them below `hub/`; the only one that reads
        the Hub's token.
    orchestrating: assumed by the training workflows; each workflow attaches what it needs.
    fetching: assumed by the build that brings training code from Git. Writes it below `git/`; the only one that reads
        Git's token. None unless asked for.
    packaging: assumed by the function that prepares endpoints' models. Reads models, writes below `packages/` only.
        None unless asked for.
    reporting: assumed by the function that reports training runs. Writes below `reports/`; the function attaches what
        else it needs. None unless asked for.
    asking: assumed by the function that asks endpoints their examples, where some of them are asynchronous: the key of
        what they read names it. None unless asked for.
    notebook: training's twin with the name that public notebooks expect; None unless asked for.

    They come without permissions, since keys name them in their policies: `allow_work` attaches those.
    capturing: serving's twin for endpoints whose requests are captured, which it puts below `captured/`. None unless
        asked for.
    monitoring: assumed by the jobs that compare captures with a baseline. None unless asked for.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        notebook_role: bool = False,
        packaging_role: bool = False,
        reporting_role: bool = False,
        fetching_role: bool = False,
        asynchronous_role: bool = False,
        transforming_role: bool = False,
        serverless_role: bool = False,
        asking_role: bool = False,
        capturing_role: bool = False,
        monitoring_role: bool = False,
    ) -> None:
        """Creates the roles.

        notebook_role: also create `sagemaker_execution_role`. An account can have one. Omitted: no.
        packaging_role: also create the one that prepares models of endpoints. Omitted: no.
        reporting_role: also create the one that reports training runs. Omitted: no.
        fetching_role: also create the one that brings training code from Git. Omitted: no.
        asynchronous_role: also create the one of asynchronous endpoints. Omitted: no.
        transforming_role: also create the one of batch transforms. Omitted: no.
        serverless_role: also create the one of serverless endpoints. Omitted: no.
        asking_role: also create the one that asks asynchronous endpoints. Omitted: no.
        capturing_role: also create the one of endpoints whose requests are captured. Omitted: no.
        monitoring_role: also create the one of the jobs that monitor endpoints. Omitted: no.
        """
        super().__init__(scope, construct_id)
        self._wildcards: dict[str, str] = {}
        sagemaker = "sagemaker.amazonaws.com"
        self.training = self._role("Training", sagemaker, "Training jobs")
        self.serving = self._role("Serving", sagemaker, "Endpoints")
        self.transforming = self._role("Transforming", sagemaker, "Batch transforms") if transforming_role else None
        self.building = self._role("Building", "codebuild.amazonaws.com", "Image builds")
        self.mirroring = self._role("Mirroring", "codebuild.amazonaws.com", "Copies of models of the Hub")
        self.orchestrating = self._role("Orchestrating", "states.amazonaws.com", "Training workflows")
        self.packaging = (
            self._role("Packaging", "lambda.amazonaws.com", "Preparation of endpoints' models")
            if packaging_role
            else None
        )
        self.reporting = (
            self._role("Reporting", "lambda.amazonaws.com", "Reports of training runs") if reporting_role else None
        )
        self.fetching = (
            self._role("Fetching", "codebuild.amazonaws.com", "Training code of Git") if fetching_role else None
        )
        self.asynchronous = (
            self._role("Asynchronous", sagemaker, "Asynchronous endpoints") if asynchronous_role else None
        )
        self.serverless = self._role("Serverless", sagemaker, "Serverless endpoints") if serverless_role else None
        self.asking = self._role("Asking", "lambda.amazonaws.com", "Examples of endpoints") if asking_role else None
        self.capturing = (
            self._role("Capturing", sagemaker, "Endpoints whose requests are captured") if capturing_role else None
        )
        self.monitoring = self._role("Monitoring", sagemaker, "Monitors of endpoints") if monitoring_role else None
        self.notebook = (
            self._role("Notebook", sagemaker, "Training jobs of notebooks", NOTEBOOK_ROLE) if notebook_role else None
        )
        if self.notebook:
            acknowledge(
                self.notebook,
                "Public notebooks look for a role of this name and know no other. It is there on request only; a "
                "change that replaces it needs two deployments.",
                "HfSageMaker::Control-46",
            )

    @property
    def trainers(self) -> Sequence[iam.Role]:
        """The roles that training jobs run in."""
        return [self.training, *([self.notebook] if self.notebook else [])]

    def allow_work(
        self,
        *,
        buckets: EnvironmentBuckets,
        keys: EnvironmentKeys,
        training_repositories: Sequence[str],
        inference_repositories: Sequence[str],
        promoted_training: Sequence[tuple[str, str]] = (),
        promoted_inference: Sequence[tuple[str, str]] = (),
        token_secret_arn: str | None = None,
        token_key: kms.IKey | None = None,
        git_secret_arn: str | None = None,
        git_key: kms.IKey | None = None,
        packages: PackageSources | None = None,
        builds: Placement | None = None,
        answer_topics: str | None = None,
        captures: Sequence[allow.Permission] = (),
        monitoring: Sequence[allow.Permission] = (),
        transforms: TransformAccess | None = None,
    ) -> None:
        """Attaches to each role what its duty needs.

        training_repositories, inference_repositories: names of the ECR repositories, which a later stack creates.
        promoted_training, promoted_inference: account and name of each repository of another environment whose images
            run here; nobody here pushes to it. Omitted: none.
        token_secret_arn: the Secrets Manager secret with the Hub's token. Omitted: nobody may read any.
        token_key: encrypts that secret. Omitted: aws/secretsmanager, whose policy admits who may read the secret.
        git_secret_arn, git_key: the same, of Git's token.
        packages: where builds of images get packages from. Omitted: from where anybody may.
        builds: where builds of images run. Omitted: in no VPC.
        answer_topics: ARN, with `*`, of the topics that asynchronous endpoints tell. Omitted: there are none.
        captures: to keep requests and answers of endpoints. Omitted: none are kept.
        monitoring: of the jobs that monitor endpoints. Omitted: none do.
        transforms: what batch transforms read and write. Omitted: there are none.
        """
        for role in self.trainers:
            self._allow_training(role, buckets, keys, training_repositories, promoted_training)
        serving = [
            allow.read_objects(buckets.models),
            allow.decrypt_objects(keys.models, buckets.models),
            allow.encrypt_volumes(self, keys.models),
            allow.registry_login(),
            allow.use_repositories(self, *inference_repositories),
            *self._pull(promoted_inference),
            allow.write_service_logs(self, "/aws/sagemaker/Endpoints/*"),
            allow.put_metrics("/aws/sagemaker/Endpoints"),
        ]
        self._allow("Serving", self.serving, [*serving, allow.attach_to_vpc(self)])
        if self.capturing:
            self._allow("Capturing", self.capturing, [*serving, allow.attach_to_vpc(self), *captures])
        if self.monitoring:
            self._allow("Monitoring", self.monitoring, monitoring)
        if self.serverless:
            self._allow("Serverless", self.serverless, serving)
        exchange = [
            allow.write_objects(buckets.data, ASYNCHRONOUS_PREFIX),
            allow.encrypt_objects(keys.data, buckets.data),
        ]
        if self.asking:
            self._allow("Asking", self.asking, exchange)
        if self.asynchronous and answer_topics:
            queue = [
                *exchange,
                allow.allow(
                    ["sns:Publish"],
                    answer_topics,
                    why_wildcards="The topics of asynchronous endpoints, in stacks whose names begin alike.",
                ),
                allow.use_key_through(self, keys.operations, "sns"),
            ]
            self._allow("Asynchronous", self.asynchronous, [*serving, allow.attach_to_vpc(self), *queue])
        self._allow(
            "Building",
            self.building,
            [
                allow.use_key_through(self, keys.images, "codebuild", "s3"),
                allow.write_objects(buckets.builds, BILLS_PREFIX),
                allow.registry_login(),
                allow.use_repositories(
                    self, *training_repositories, *inference_repositories, actions=allow.ECR_PULL + allow.ECR_PUSH
                ),
                *self._package_permissions(packages),
                *([allow.build_in_vpc(self, builds)] if builds else []),
            ],
        )
        self._allow(
            "Mirroring",
            self.mirroring,
            [
                allow.write_objects(buckets.models, HUB_PREFIX),
                allow.encrypt_objects(keys.models, buckets.models),
                allow.use_key_through(self, keys.images, "codebuild", "s3"),
                allow.attach_to_vpc(self),
                *self._secret(token_secret_arn, token_key),
            ],
        )
        if self.fetching:
            self._allow(
                "Fetching",
                self.fetching,
                [
                    allow.write_objects(buckets.models, GIT_PREFIX),
                    allow.encrypt_objects(keys.models, buckets.models),
                    allow.use_key_through(self, keys.images, "codebuild", "s3"),
                    allow.attach_to_vpc(self),
                    *self._secret(git_secret_arn, git_key),
                ],
            )

        if self.transforming and transforms:
            images = [allow.use_repositories(self, *inference_repositories), *self._pull(promoted_inference)]
            self._allow_transforming(self.transforming, buckets, keys, transforms, images)
        if self.packaging:
            self._allow_packaging(self.packaging, buckets, keys)
        if self.reporting:
            reports = [
                allow.write_objects(buckets.models, REPORTS_PREFIX),
                allow.encrypt_objects(keys.models, buckets.models),
            ]
            self._allow("Reporting", self.reporting, reports)
        acknowledge(self, " ".join(dict.fromkeys(self._wildcards.values())), *self._wildcards)

    def _secret(self, arn: str | None, key: kms.IKey | None) -> list[allow.Permission]:
        return [
            *([allow.read_secret(arn)] if arn else []),
            *([allow.use_key_through(self, key, "secretsmanager", actions=["kms:Decrypt"])] if key else []),
        ]

    def _package_permissions(self, packages: PackageSources | None) -> Sequence[allow.Permission]:
        if not packages:
            return []
        found = allow.read_packages(packages)
        if packages.secret_key_arn:
            key = kms.Key.from_key_arn(self, "PackageIndexKey", packages.secret_key_arn)
            found.append(allow.use_key_through(self, key, "secretsmanager", actions=["kms:Decrypt"]))
        return found

    def _allow(self, duty: str, role: iam.Role, permissions: Sequence[allow.Permission]) -> None:
        """Attaches the policy of a duty. What its wildcards need is acknowledged once, for all duties."""
        policy = allow.DutyPolicy(self, f"{duty}Policy", role=role, permissions=permissions, acknowledged=False)
        self._wildcards |= policy.wildcards

    def _allow_packaging(self, role: iam.Role, buckets: EnvironmentBuckets, keys: EnvironmentKeys) -> None:
        # Every model, and not those that are served only: a deployment that is rolled back asks for those of before.
        self._allow(
            "Packaging",
            role,
            [
                allow.read_objects(buckets.models),
                allow.write_objects(buckets.models, PACKAGES_PREFIX),
                allow.encrypt_objects(keys.models, buckets.models),
            ],
        )

    def _allow_transforming(
        self,
        role: iam.Role,
        buckets: EnvironmentBuckets,
        keys: EnvironmentKeys,
        access: TransformAccess,
        images: Sequence[allow.Permission],
    ) -> None:
        group = "/aws/sagemaker/TransformJobs"
        self._allow(
            "Transforming",
            role,
            [
                allow.read_objects(buckets.models),
                allow.decrypt_objects(keys.models, buckets.models),
                *(allow.read_models(bucket, prefixes) for bucket, _, prefixes in access.inputs),
                *(allow.decrypt_objects(key, bucket) for bucket, key, _ in access.inputs if key),
                allow.allow(
                    ["s3:AbortMultipartUpload", "s3:PutObject"],
                    *(objects_arn(buckets.data, f"{prefix}*") for prefix in access.outputs),
                    why_wildcards="Answers of batch transforms have the names of what was transformed.",
                ),
                allow.encrypt_objects(keys.data, buckets.data),
                allow.encrypt_volumes(self, keys.models),
                allow.registry_login(),
                *images,
                allow.write_service_logs(self, group),
                allow.put_metrics(group),
                allow.attach_to_vpc(self),
            ],
        )

    def _allow_training(
        self,
        role: iam.Role,
        buckets: EnvironmentBuckets,
        keys: EnvironmentKeys,
        repositories: Sequence[str],
        promoted: Sequence[tuple[str, str]],
    ) -> None:
        self._allow(
            "Notebook" if role is self.notebook else "Training",
            role,
            [
                allow.read_objects(buckets.data),
                allow.read_objects(buckets.models),
                allow.write_objects(buckets.models, TRAINED_PREFIX),
                allow.write_objects(buckets.checkpoints),
                allow.decrypt_objects(keys.data, buckets.data),
                allow.encrypt_objects(keys.models, buckets.models, buckets.checkpoints),
                *(allow.read_objects(bucket) for bucket, _ in buckets.read_only),
                *(allow.decrypt_objects(key, bucket) for bucket, key in buckets.read_only if key),
                allow.encrypt_volumes(self, keys.models),
                allow.registry_login(),
                allow.use_repositories(self, *repositories),
                *self._pull(promoted),
                allow.write_service_logs(self, "/aws/sagemaker/TrainingJobs"),
                # What comes before and after training runs in this role too; a notebook starts training jobs only.
                *([allow.write_service_logs(self, _PROCESSING)] if role is self.training else []),
                allow.put_metrics("/aws/sagemaker/TrainingJobs", *([_PROCESSING] if role is self.training else [])),
                allow.attach_to_vpc(self),
            ],
        )

    def _pull(self, repositories: Sequence[tuple[str, str]]) -> list[allow.Permission]:
        return [allow.use_repositories(self, name, account=account) for account, name in repositories]

    def _role(self, construct_id: str, service: str, description: str, name: str | None = None) -> iam.Role:
        return iam.Role(
            self,
            f"{construct_id}Role",
            role_name=name,
            assumed_by=allow.service_principal(self, service),
            description=f"{description} of this environment",
        )
