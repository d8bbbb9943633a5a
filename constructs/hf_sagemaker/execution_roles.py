"""One role per duty: training, serving, building, orchestrating. None of them can do another's work."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker import permissions as allow

SOURCES_PREFIX = "sources/"
"""Where people put training code, in the models bucket."""
TRAINED_PREFIX = "trained/"
"""Where training jobs put models, in the models bucket."""


class ExecutionRoles(Construct):
    """The roles of one environment.

    training: assumed by training jobs. Reads data, sources and models; writes trained models and checkpoints.
    serving: assumed by endpoints. Reads models; writes nothing but logs.
    building: assumed by image builds. Pulls the published base images, pushes to this environment's repositories.
    orchestrating: assumed by the training workflows; each workflow attaches what it needs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        data_bucket: s3.IBucket,
        models_bucket: s3.IBucket,
        checkpoints_bucket: s3.IBucket,
        key: kms.IKey,
        repository_prefix: str,
    ) -> None:
        """Creates the roles and their policies.

        key: the one that encrypts the buckets.
        repository_prefix: ECR repositories of this environment begin with it, for example `hf-sagemaker/dev/`.
        """
        super().__init__(scope, construct_id)
        sagemaker = "sagemaker.amazonaws.com"
        own_repositories = allow.use_repositories(self, f"{repository_prefix}*")
        self.training = self._role("Training", sagemaker, "Training jobs")
        allow.DutyPolicy(
            self,
            "TrainingPolicy",
            role=self.training,
            permissions=[
                allow.read_objects(data_bucket),
                allow.read_objects(models_bucket),
                allow.write_objects(models_bucket, TRAINED_PREFIX),
                allow.write_objects(checkpoints_bucket),
                allow.use_key(key),
                allow.registry_login(),
                own_repositories,
                allow.write_service_logs(self, "/aws/sagemaker/TrainingJobs"),
                allow.put_metrics("/aws/sagemaker/TrainingJobs"),
                allow.attach_to_vpc(self),
            ],
        )
        self.serving = self._role("Serving", sagemaker, "Endpoints")
        allow.DutyPolicy(
            self,
            "ServingPolicy",
            role=self.serving,
            permissions=[
                allow.read_objects(models_bucket),
                allow.use_key(key),
                allow.registry_login(),
                own_repositories,
                allow.write_service_logs(self, "/aws/sagemaker/Endpoints/*"),
                allow.put_metrics("/aws/sagemaker/Endpoints"),
                allow.attach_to_vpc(self),
            ],
        )
        self.building = self._role("Building", "codebuild.amazonaws.com", "Image builds")
        allow.DutyPolicy(
            self,
            "BuildingPolicy",
            role=self.building,
            permissions=[
                allow.use_key(key),
                allow.registry_login(),
                allow.use_repositories(self, f"{repository_prefix}*", allow.ECR_PULL + allow.ECR_PUSH),
            ],
        )
        self.orchestrating = self._role("Orchestrating", "states.amazonaws.com", "Training workflows")

    def _role(self, construct_id: str, service: str, description: str) -> iam.Role:
        return iam.Role(
            self,
            f"{construct_id}Role",
            assumed_by=allow.service_principal(self, service),
            description=f"{description} of this environment",
        )
