"""Training: one state machine per job type of the settings, and the reports of their runs."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from hf_sagemaker.git_source import GitSource
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.placement import Network
from hf_sagemaker.prices import Price
from hf_sagemaker.training_report import ReportedWorkflow, TrainingReport
from hf_sagemaker.training_workflow import HuggingFaceTraining, TrainingDefaults
from stacks.contract import publish
from stacks.data_stack import DataStack
from stacks.git_settings import GitSettings
from stacks.job_type_settings import JobTypeSettings
from stacks.settings import EnvironmentSettings

FUNCTIONS = Path(__file__).parent.parent / "lambda"


class TrainingStack(Stack):
    """Offers `workflows`, by job type."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        network: Network,
        data: DataStack,
        images: Mapping[str, ImageByDigest],
        alarm_topic: sns.ITopic | None,
        removal_policy: RemovalPolicy,
    ) -> None:
        """alarm_topic: told when a run could not be reported. None: the topics of runs are."""
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        git = settings.training.git
        source = self._git(git, network, data, removal_policy) if git else None
        self.workflows: dict[str, HuggingFaceTraining] = {}
        for job in settings.training.job_types:
            nameable = settings.nameable_images(job)
            workflow = HuggingFaceTraining(
                self,
                "".join(word.capitalize() for word in job.name.split("-")),
                job_type=job.name,
                environment=environment,
                defaults=_defaults(job),
                training_images={name: images[name] for name in nameable},
                inference_image=images[job.inference_image],
                unfit_images=_unfit(settings, job),
                roles=data.roles,
                placement=network.jobs,
                keys=data.keys,
                buckets=data.buckets,
                isolated=settings.isolation,
                git=source,
                git_repositories=git.allowed_repositories if git else (),
                function_root=FUNCTIONS,
                reserved_concurrency=settings.functions.reserved_concurrency,
                removal_policy=removal_policy,
            )
            for email in settings.training.notification_emails:
                workflow.topic.add_subscription(subscriptions.EmailSubscription(email))
            data.people.allow_workflow(workflow, workflow.state_machine)
            self.workflows[job.name] = workflow
            further = {f"training/{job.name}/further-images": ",".join(nameable[1:])} if nameable[1:] else {}
            publish(
                self,
                environment,
                {
                    **further,
                    f"training/{job.name}/state-machine-arn": workflow.state_machine.state_machine_arn,
                    f"training/{job.name}/model-package-group": workflow.model_package_group_name,
                    f"training/{job.name}/topic-arn": workflow.topic.topic_arn,
                    f"training/{job.name}/image": job.image,
                    f"training/{job.name}/inference-image": job.inference_image,
                    f"training/{job.name}/instance-types": ",".join(job.all_instance_types),
                    f"training/{job.name}/subnets": ",".join(network.jobs.subnet_ids),
                    f"training/{job.name}/security-groups": ",".join(network.jobs.security_group_ids),
                },
            )
        if self.workflows and data.roles.reporting:
            TrainingReport(
                self,
                "Report",
                environment=environment,
                workflows=[
                    ReportedWorkflow(job_type=name, state_machine=each.state_machine, topic=each.topic)
                    for name, each in self.workflows.items()
                ],
                prices=_prices(settings),
                role=data.roles.reporting,
                keys=data.keys,
                buckets=data.buckets,
                function_root=FUNCTIONS,
                alarm_topic=alarm_topic,
                reserved_concurrency=settings.functions.reserved_concurrency,
                removal_policy=removal_policy,
            )

    def _git(
        self, settings: GitSettings, network: Network, data: DataStack, removal_policy: RemovalPolicy
    ) -> GitSource:
        assert data.roles.fetching
        return GitSource(
            self,
            "GitSource",
            allowed_repositories=settings.allowed_repositories,
            bucket=data.buckets.models,
            keys=data.keys,
            role=data.roles.fetching,
            placement=network.mirror,
            token_secret_arn=settings.token_secret_arn,
            removal_policy=removal_policy,
        )


def _prices(settings: EnvironmentSettings) -> dict[str, Price]:
    """Of the instance types that jobs may run on: an event's input has no room for all."""
    wanted = {name for job in settings.training.job_types for name in job.all_instance_types}
    return {name: price for name, price in settings.prices.table(settings.region).items() if name in wanted}


def _unfit(settings: EnvironmentSettings, job: JobTypeSettings) -> dict[str, str]:
    """The training images that only do not fit, with why: what a request is told that names one."""
    if job.allowed_images is not None:
        return {}
    training = [image.name for image in settings.images if image.base.purpose == "training"]
    reasons = {name: settings.why_unfit(job, name) for name in training}
    return {name: f"It does not fit: {reason}." for name, reason in reasons.items() if reason}


def _defaults(job: JobTypeSettings) -> TrainingDefaults:
    return TrainingDefaults(
        instance_types=job.all_instance_types,
        max_instance_count=job.max_instance_count,
        volume_size=job.volume_size,
        use_spot_instances=job.use_spot_instances,
        checkpoints=job.checkpoints,
        max_run=job.max_run,
        max_wait=job.effective_max_wait,
        max_keep_alive=job.max_keep_alive_period_in_seconds,
        processing_instance_type=job.processing_instance_type,
        processing_max_run=job.processing_max_run,
        max_tuning_jobs=job.max_tuning_jobs,
        max_parallel_tuning_jobs=job.max_parallel_tuning_jobs,
        metric=job.evaluation.metric,
        minimum=job.evaluation.minimum,
        task=job.task,
    )
