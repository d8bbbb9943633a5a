"""A batch transform: a model over all objects of a prefix, when somebody asks, or by the clock."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import compatibility
from hf_sagemaker import permissions as allow
from hf_sagemaker.batch_states import BatchData, BatchStates
from hf_sagemaker.compliance import NOT_ISOLATED, acknowledge
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.dead_letters import QUEUE_RULE, dead_letters, tell_of_letters
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.instance_types import instance_type
from hf_sagemaker.job_task import JobInstances
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement
from hf_sagemaker.transform_job_task import Batches

_LONGEST_PREFIX = 30
_IMAGES = (
    "SageMaker pulls images of ECR by way of its own platform, and through a VPC those of other registries only. What "
    "is pulled is fixed instead: the container is isolated (control 38), its image cannot change (47), and comes from "
    "this account or from AWS's (48)."
)
_QUEUE = "The queue is itself the dead letter queue, of the schedule: the packs look for those of queues only."


@dataclass(frozen=True, kw_only=True)
class BatchSchedule:
    """When runs begin.

    cron: EventBridge's six fields, without the word: `0 3 ? * MON-FRI *`. time_zone: of the IANA database; the schedule
    follows its summer time.
    """

    cron: str
    time_zone: str = "UTC"


class HuggingFaceBatchTransform(Construct):
    """A SageMaker model, the state machine that transforms with it, and perhaps a schedule that starts it.

    model: SageMaker's. state_machine: see `BatchStates` for its input and output. schedule: None: it has none.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        environment: str,
        model: ModelSource,
        role: iam.IRole,
        placement: Placement,
        keys: EnvironmentKeys,
        data: BatchData,
        topic: sns.ITopic,
        content_type: str,
        accept: str | None = None,
        image: ContainerImage | None = None,
        task: str | None = None,
        variables: Mapping[str, str] | None = None,
        instances: JobInstances | None = None,
        batches: Batches | None = None,
        max_run: Duration | None = None,
        wait_for_capacity: Duration | None = None,
        schedule: BatchSchedule | None = None,
        isolated: bool = True,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the transform.

        name: as people call it. environment: begins the names of jobs.
        model, image, task, variables, isolated: as `HuggingFaceEndpoint` takes them.
        role: assumed by the containers: reads the model and what is transformed, and writes the answers.
        placement: where the containers run. keys: `data` encrypts the answers, `models` the volumes.
        topic: told about every failure.
        content_type, accept, batches: as `TransformJobTask` takes them.
        instances: Omitted: one ml.g4dn.xlarge.
        max_run: of a job, which is then stopped. Omitted: four hours.
        wait_for_capacity: before a job that AWS had no instance for is started once more. Omitted: 15 minutes.
        schedule: Omitted: runs begin when somebody starts them.
        removal_policy: of the logs. Omitted: they are kept.

        Raises UnknownInstanceTypeError, IncompatibleError and InvalidJobError with all reasons why SageMaker would
        refuse it.
        """
        super().__init__(scope, construct_id)
        instances = instances or JobInstances(type="ml.g4dn.xlarge")
        self._name = name
        self._refuse(instances, image, variables or {}, isolated=isolated)
        self.model = self._model(model, role, placement, image, task, variables or {}, isolated=isolated)
        states = BatchStates(
            self,
            "States",
            name=name,
            job_prefix=environment[:_LONGEST_PREFIX].rstrip("-"),
            model_name=self.model.attr_model_name,
            data=data,
            instances=instances,
            content_type=content_type,
            accept=accept,
            batches=batches or Batches(),
            max_run=max_run or Duration.hours(4),
            wait=wait_for_capacity or Duration.minutes(15),
            topic=topic,
            data_key=keys.data,
            volume_key=keys.models,
            job_tags={"hf-sagemaker:batch-transform": name},
        )
        self.state_machine = self._machine(states, keys, removal_policy, scheduled=schedule is not None)
        self.schedule = self._schedule(schedule, keys, topic) if schedule else None

    def _refuse(
        self, instances: JobInstances, image: ContainerImage | None, variables: Mapping[str, str], *, isolated: bool
    ) -> None:
        instance = instance_type(instances.type, "transform")
        problem = compatibility.instance_problem(image, instance, "hosting") if image else None
        compatibility.refuse(
            (f"instance type {instances.type}", problem),
            *((f"variable {name}", problem) for name, problem in compatibility.variable_problems(variables, instance)),
            *(
                ("the container", problem)
                for problem in compatibility.isolation_problems(
                    isolated=isolated, leaves_vpc=not isolated, environment=variables
                )
            ),
        )

    def _model(
        self,
        model: ModelSource,
        role: iam.IRole,
        placement: Placement,
        image: ContainerImage | None,
        task: str | None,
        variables: Mapping[str, str],
        *,
        isolated: bool,
    ) -> sagemaker.CfnModel:
        made = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            primary_container=_container(model, image, task, variables),
            enable_network_isolation=isolated,
            vpc_config=sagemaker.CfnModel.VpcConfigProperty(
                subnets=placement.subnet_ids, security_group_ids=placement.security_group_ids
            ),
        )
        if not isolated:
            acknowledge(made, NOT_ISOLATED, "HfSageMaker::Control-38")
        # SageMaker reads the model with the role while it creates it: the role's policies must be there.
        made.node.add_dependency(role)
        return made

    def _machine(
        self, states: BatchStates, keys: EnvironmentKeys, removal_policy: RemovalPolicy, *, scheduled: bool
    ) -> sfn.StateMachine:
        """scheduled: there is a queue, too, which is acknowledged with the machine's policy."""
        role = iam.Role(
            self,
            "Role",
            assumed_by=allow.service_principal(self, "states.amazonaws.com"),
            description=f"Batch transform {self._name}",
        )
        policy = allow.DutyPolicy(
            self,
            "Policy",
            role=role,
            permissions=[
                *states.permissions,
                allow.use_key_through(self, keys.operations, "sns", "states"),
                allow.step_functions_telemetry(),
            ],
            acknowledged=False,
        )
        acknowledge(
            self,
            " ".join(dict.fromkeys([_IMAGES, *policy.wildcards.values(), *([_QUEUE] if scheduled else [])])),
            "HfSageMaker::Control-42",
            *policy.wildcards,
            *([QUEUE_RULE] if scheduled else []),
        )
        log_group = logs.LogGroup(
            self,
            "Logs",
            encryption_key=keys.logs,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=removal_policy,
        )
        machine = sfn.StateMachine(
            self,
            "StateMachine",
            definition_body=sfn.DefinitionBody.from_chainable(states.start),
            comment="Transform what lies below a prefix → once more where AWS had no instance → tell failures",
            role=role.without_policy_updates(),
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
            tracing_enabled=True,
            encryption_configuration=sfn.CustomerManagedEncryptionConfiguration(
                kms.Key.from_key_arn(self, "StateKey", keys.operations.key_arn)
            ),
            timeout=states.longest,
        )
        machine.node.add_dependency(policy)
        return machine

    def _schedule(self, schedule: BatchSchedule, keys: EnvironmentKeys, topic: sns.ITopic) -> scheduler.CfnSchedule:
        """Of EventBridge Scheduler, since rules know no time zone. What it cannot start within an hour is told."""
        role = iam.Role(
            self,
            "ScheduleRole",
            assumed_by=allow.service_principal(self, "scheduler.amazonaws.com"),
            description=f"Starts batch transform {self._name}",
        )
        machine, queue = self.state_machine.state_machine_arn, dead_letters(self, keys.operations)
        policy = allow.DutyPolicy(
            self,
            "SchedulePolicy",
            role=role,
            permissions=[
                allow.allow(["states:StartExecution"], machine),
                allow.allow(["sqs:SendMessage"], queue.queue_arn),
                allow.use_key_through(self, keys.operations, "sqs", "states"),
            ],
        )
        tell_of_letters(
            self,
            "NotStarted",
            queue=queue,
            description=f"Batch transform {self._name} was not started when it was due: the dead letters say why",
            topics=[topic],
        )
        made = scheduler.CfnSchedule(
            self,
            "Schedule",
            description=f"Starts batch transform {self._name}",
            schedule_expression=f"cron({schedule.cron})",
            schedule_expression_timezone=schedule.time_zone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=machine,
                role_arn=role.role_arn,
                input="{}",
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=queue.queue_arn),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_event_age_in_seconds=3600),
            ),
        )
        made.node.add_dependency(policy)
        return made


def _container(
    model: ModelSource, image: ContainerImage | None, task: str | None, variables: Mapping[str, str]
) -> sagemaker.CfnModel.ContainerDefinitionProperty:
    if model.data is None:
        return sagemaker.CfnModel.ContainerDefinitionProperty(
            model_package_name=model.model_package_arn, environment=dict(variables) or None
        )
    if image is None:
        raise ValueError(f"{model.name} comes without an image, which a registered model would name: give one.")
    kind, compression = ("S3Object", "Gzip") if model.data.is_archive else ("S3Prefix", "None")
    return sagemaker.CfnModel.ContainerDefinitionProperty(
        image=image.uri,
        model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
            s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                s3_uri=model.data.uri, s3_data_type=kind, compression_type=compression
            )
        ),
        environment={"HF_HUB_OFFLINE": "1", **({"HF_TASK": task} if task else {}), **variables},
    )
