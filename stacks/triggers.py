"""The triggers of the settings, as the construct takes them."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3

from hf_sagemaker import trigger_request
from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.training_triggers import OnAlarm, OnNewData, OnSchedule, TrainingTrigger
from hf_sagemaker.training_workflow import HuggingFaceTraining
from stacks.contract import parameter_path
from stacks.settings import EnvironmentSettings
from stacks.trigger_settings import NewDataSettings, TriggerSettings


def triggers_of(
    environment: str,
    settings: EnvironmentSettings,
    workflows: Mapping[str, HuggingFaceTraining],
    buckets: EnvironmentBuckets,
) -> list[TrainingTrigger]:
    """All of the environment. workflows: by job type."""
    names = {name: getattr(buckets, name).bucket_name for name in trigger_request.BUCKETS}
    return [
        TrainingTrigger(
            name=trigger.name,
            job_type=job.name,
            state_machine=workflows[job.name].state_machine,
            topic=workflows[job.name].topic,
            request=trigger_request.fill(trigger.body, names),
            parameter_name=parameter_path(environment, f"training/{job.name}/triggers/{trigger.name}"),
            on=_on(trigger, settings, buckets),
        )
        for job in settings.training.job_types
        for trigger in job.triggers
    ]


def _on(
    trigger: TriggerSettings, settings: EnvironmentSettings, buckets: EnvironmentBuckets
) -> OnSchedule | OnNewData | OnAlarm:
    if trigger.alarm:
        interval = Duration.minutes(trigger.alarm.minimum_interval_minutes)
        return OnAlarm(alarm_name=trigger.alarm.alarm_name, minimum_interval=interval)
    if trigger.new_data:
        return OnNewData(
            bucket=_bucket(trigger.new_data, settings, buckets),
            prefix=trigger.new_data.prefix,
            quiet=Duration.minutes(trigger.new_data.quiet_minutes),
        )
    assert trigger.schedule  # `problems` has seen to it
    return OnSchedule(expression=trigger.schedule)


def _bucket(data: NewDataSettings, settings: EnvironmentSettings, buckets: EnvironmentBuckets) -> s3.IBucket:
    if data.bucket is None:
        return buckets.data
    names = [each.name for each in settings.data.read_only_buckets]
    return buckets.read_only[names.index(data.bucket)][0]
