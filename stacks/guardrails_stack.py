"""Guardrails: the upper limit of every role of an environment, and the role in which it is deployed."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker.deploying_role import DeployingRole
from hf_sagemaker.endpoints_boundary import EndpointsBoundary
from hf_sagemaker.guardrails import job_denials
from hf_sagemaker.image_watch import ANNOUNCEMENTS
from hf_sagemaker.model_monitor_images import monitor_image
from hf_sagemaker.permissions_boundary import PermissionsBoundary, acknowledge_boundary
from stacks.contract import promoted_repositories, publish
from stacks.settings import EnvironmentSettings


class GuardrailsStack(Stack):
    """Offers `boundary`, and `endpoints_boundary` of the roles that look after endpoints. None when the settings want
    none.

    An administrator deploys this stack, and after that nobody needs to be one: see docs/guardrails.md.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: str, settings: EnvironmentSettings) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._denials = job_denials(instance_types=instance_types(settings), isolation=settings.isolation)
        self.boundary, self.endpoints_boundary = self._boundaries(environment, settings)
        boundaries = [self.boundary, self.endpoints_boundary]
        self.deploying = DeployingRole(
            self,
            "Deploying",
            environment=environment,
            path=settings.roles.path,
            boundaries=list(dict.fromkeys(each.managed_policy_arn for each in boundaries if each)),
            subscribes_to=[ANNOUNCEMENTS] if hears_announcements(settings) else [],
            builds_images=any(not image.promoted_from for image in settings.images),
        )
        publish(
            self,
            environment,
            {
                "roles/deploying-arn": self.deploying.role.role_arn,
                "guardrails/isolation": str(settings.isolation).lower(),
                "guardrails/deploying-policy-arns": ",".join(p.managed_policy_arn for p in self.deploying.policies),
            },
        )

    def _boundaries(
        self, environment: str, settings: EnvironmentSettings
    ) -> tuple[iam.IManagedPolicy | None, iam.IManagedPolicy | None]:
        """Of roles in general, and of those that look after endpoints."""
        choice = settings.roles.permissions_boundary
        if choice == "none":
            return None, None
        if choice != "environment":
            given = iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", choice)
            return given, given
        general = self._boundary(environment, settings)
        of_endpoints = EndpointsBoundary(
            general,
            "Endpoints",
            environment=environment,
            path=settings.roles.path,
            denials=self._denials,
            deployers=f"{environment}-Inference-ModelDeployment" if settings.followed_job_types else None,
        )
        acknowledge_boundary(general, general.wildcards | of_endpoints.wildcards)
        return general, of_endpoints

    def _boundary(self, environment: str, settings: EnvironmentSettings) -> PermissionsBoundary:
        data = settings.data
        keys = [arn for _, arn in settings.keys if arn] + [b.key_arn for b in data.read_only_buckets if b.key_arn]
        keys += [arn for arn in (settings.hub.token_key_arn, settings.builds.package_index_key_arn) if arn]
        if git := settings.training.git:
            keys += [git.token_key_arn] if git.token_key_arn else []
        secrets = [
            git.token_secret_arn if git else None,
            settings.hub.token_secret_arn,
            settings.builds.package_index_secret_arn,
        ]
        buckets = [bucket.name for bucket in data.read_only_buckets]
        if data.replication:
            keys.append(data.replication.key_arn)
        return PermissionsBoundary(
            self,
            "Boundary",
            environment=environment,
            path=settings.roles.path,
            denials=self._denials,
            image_accounts=image_accounts(settings),
            promoted_repositories=[*promoted_repositories(settings), *monitor_repositories(settings)],
            foreign_buckets=buckets,
            replica_buckets=[data.replication.bucket] if data.replication else [],
            foreign_keys=sorted(set(keys)),
            secrets=[arn for arn in secrets if arn],
            code_artifact=settings.builds.sources(settings.account, settings.region).code_artifact,
            hears_announcements=hears_announcements(settings),
            tracks_runs=settings.training.mlflow is not None,
            stops_endpoints=settings.disposable,
        )


def hears_announcements(settings: EnvironmentSettings) -> bool:
    """Whether some image of the settings is looked at when AWS announces new ones."""
    return any(image.rebuild.on_announcement for image in settings.images)


def instance_types(settings: EnvironmentSettings) -> list[str]:
    """Every instance type that the settings allow somewhere."""
    jobs = {name for job in settings.training.job_types for name in job.all_instance_types}
    jobs |= {job.processing_instance_type for job in settings.training.job_types if job.processing_instance_type}
    endpoints = {name for endpoint in settings.inference.endpoints for name in endpoint.all_instance_types}
    return sorted(jobs | endpoints | {transform.instance_type for transform in settings.inference.batch_transforms})


def image_accounts(settings: EnvironmentSettings) -> list[str]:
    """The accounts that publish the base images of what is built here."""
    built = [image for image in settings.images if not image.promoted_from]
    return sorted({image.extension(settings.region).base.account for image in built})


def monitor_repositories(settings: EnvironmentSettings) -> list[tuple[str, str]]:
    """Account and name of the repository with AWS's image of monitors, where there are some."""
    image = monitor_image(settings.region) if settings.monitors else None
    return [(image.account, image.repository)] if image else []
