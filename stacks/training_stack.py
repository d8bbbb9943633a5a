"""Training: one state machine per job type of the settings, and the reports of their runs."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from hf_sagemaker.approved_model import NOT_APPROVED
from hf_sagemaker.concurrency_limit import ConcurrencyLimit, LimitedRuns
from hf_sagemaker.git_source import GitSource
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.placement import Network
from hf_sagemaker.prices import Price
from hf_sagemaker.training_defaults import TrainingDefaults
from hf_sagemaker.training_report import ReportedWorkflow, TrainingReport
from hf_sagemaker.training_triggers import TrainingTriggers
from hf_sagemaker.training_workflow import HuggingFaceTraining
from stacks.contract import approved_parameter, parameter_path, publish
from stacks.data_stack import DataStack
from stacks.git_settings import GitSettings
from stacks.job_type_settings import JobTypeSettings
from stacks.settings import EnvironmentSettings
from stacks.triggers import triggers_of

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
        limit = _limit(environment, settings)
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
                unfit_images=settings.unfit_images(job),
                roles=data.roles,
                placement=network.jobs,
                keys=data.keys,
                buckets=data.buckets,
                isolated=settings.isolation,
                git=source,
                git_repositories=git.allowed_repositories if git else (),
                file_systems=[each.file_system for each in settings.data.file_systems],
                function_root=FUNCTIONS,
                limit=limit,
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
        for name in settings.followed_job_types:
            # Here, since the stack of endpoints reads it before it makes anything. The function there writes it.
            ssm.StringParameter(
                self,
                f"{''.join(word.capitalize() for word in name.split('-'))}Approved",
                parameter_name=approved_parameter(environment, name),
                string_value=NOT_APPROVED,
                allowed_pattern=rf"^({NOT_APPROVED}|[1-9][0-9]*)$",
                description=f"Version of {name} that endpoints are to serve",
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
                tracking_server_arn=settings.training.mlflow.tracking_server_arn if settings.training.mlflow else None,
                reserved_concurrency=settings.functions.reserved_concurrency,
                removal_policy=removal_policy,
            )
        counted = self._count(limit) if limit and self.workflows else None
        if triggers := triggers_of(environment, settings, self.workflows, data.buckets):
            made = TrainingTriggers(
                self,
                "Triggers",
                triggers=triggers,
                keys=data.keys,
                function_root=FUNCTIONS,
                alarm_topic=alarm_topic,
                reserved_concurrency=settings.functions.reserved_concurrency,
                removal_policy=removal_policy,
            )
            if counted:
                made.node.add_dependency(counted)

    def _count(self, limit: ConcurrencyLimit) -> LimitedRuns:
        machines = [(each.state_machine, each.validating_role) for each in self.workflows.values()]
        return LimitedRuns(self, "LimitedRuns", limit=limit, machines=machines)

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


def _limit(environment: str, settings: EnvironmentSettings) -> ConcurrencyLimit | None:
    runs = settings.training.max_concurrent_runs
    if not runs:
        return None
    return ConcurrencyLimit(runs=runs, machines_parameter=parameter_path(environment, "limits/state-machines"))


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
        approve_at=job.evaluation.approve_at,
        model_card=job.model_card.members,
    )
