"""What is wrong with triggers: above all their requests, judged as the first state of a run judges them.

Never imports aws_cdk, see stacks/settings.py.
"""

import re
from typing import TYPE_CHECKING

from hf_sagemaker import compatibility, dlc_catalog, trigger_request
from hf_sagemaker.instance_types import UnknownInstanceTypeError, instance_type
from hf_sagemaker.instance_types import names as instance_type_names
from hf_sagemaker.metric_definitions import METRIC_DEFINITIONS
from stacks.job_type_settings import JobTypeSettings
from stacks.settings_base import Problem
from stacks.trigger_settings import AlarmSettings, TriggerSettings
from validate_training_request.defaults import Defaults
from validate_training_request.logic import find_problems

if TYPE_CHECKING:
    from stacks.settings import EnvironmentSettings

# Names that no bucket of anybody's has by chance: they stand in for those that deployment gives.
_NAMES = {bucket: f"{bucket}-bucket-of-this-environment" for bucket in trigger_request.BUCKETS}
_ALARM_ARN = re.compile(r"^arn:aws[a-z-]*:cloudwatch:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):alarm:.+$")


def trigger_problems(settings: "EnvironmentSettings", job: JobTypeSettings, path: str) -> list[Problem]:
    """path: of the job type in the file."""
    found: list[Problem] = []
    names = [trigger.name for trigger in job.triggers]
    try:
        limits = request_limits(settings, job) if job.triggers else None
    except (KeyError, UnknownInstanceTypeError, dlc_catalog.UnknownImageError):  # told elsewhere
        limits = None
    for i, trigger in enumerate(job.triggers):
        where = f"{path}.triggers.{i}"
        if trigger.name in names[:i]:
            found.append((f"{where}.name", trigger.name, "must be a name that no earlier trigger of the job type has"))
        if len(trigger.kinds) != 1:
            found.append((where, trigger.kinds, "must have exactly one of schedule, new_data and alarm"))
        if trigger.alarm:
            found += _alarm_problems(settings, f"{where}.alarm.name", trigger.alarm)
        bucket = trigger.new_data.bucket if trigger.new_data else None
        if bucket and bucket not in [each.name for each in settings.data.read_only_buckets]:
            must = "must be one of data.read_only_buckets; leave it out for the environment's data bucket"
            found.append((f"{where}.new_data.bucket", bucket, must))
        found += [(f"{where}.request", trigger.request, problem) for problem in _request_problems(trigger, limits)]
    return found


def _request_problems(trigger: TriggerSettings, limits: Defaults | None) -> list[str]:
    found = trigger_request.problems(trigger.body)
    if limits:
        said = find_problems(trigger_request.fill(trigger.body, _NAMES), limits)
        for bucket, name in _NAMES.items():
            said = [problem.replace(name, trigger_request.placeholder(bucket)) for problem in said]
        found += said
    return found


def _alarm_problems(settings: "EnvironmentSettings", path: str, alarm: AlarmSettings) -> list[Problem]:
    if not alarm.name.startswith("arn:"):
        return []
    arn = _ALARM_ARN.match(alarm.name)
    if arn and (arn["account"], arn["region"]) == (settings.account, settings.region):
        return []
    return [(path, alarm.name, f"must be the ARN of an alarm in account {settings.account}, {settings.region}")]


def request_limits(settings: "EnvironmentSettings", job: JobTypeSettings) -> Defaults:
    """What a job type allows a request, as far as settings know it: the state machine's own, without ARNs and names.

    Raises KeyError, UnknownInstanceTypeError or UnknownImageError where the job type itself is wrong.
    """
    images = settings.nameable_images(job)
    types = {name: instance_type(name, "training") for name in job.all_instance_types}
    return Defaults(
        job_type=job.name,
        environment="",
        image=job.image,
        images=dict.fromkeys(images, ""),
        unfit_images=settings.unfit_images(job),
        instance_type=job.instance_type,
        instance_types={name: each.takes_volume_key for name, each in types.items()},
        max_instance_count=job.max_instance_count,
        volume_size=job.volume_size,
        use_spot_instances=job.use_spot_instances,
        checkpoints=job.checkpoints,
        max_run=job.max_run,
        max_wait=job.effective_max_wait,
        max_keep_alive=job.max_keep_alive_period_in_seconds,
        metric_definitions=[dict(each) for each in METRIC_DEFINITIONS],
        evaluation={"metric": job.evaluation.metric, "minimum": job.evaluation.minimum},
        checkpoints_bucket=_NAMES["checkpoints"],
        data_buckets=[_NAMES["data"], *(each.name for each in settings.data.read_only_buckets)],
        models_bucket=_NAMES["models"],
        volume_key="",
        isolated=settings.isolation,
        git_repositories=list(settings.training.git.allowed_repositories) if settings.training.git else [],
        data_parallel_images=[name for name in images if settings.described(name).data_parallel_library],
        precision=compatibility.hyperparameter_rules(types.values()),
        processing=bool(
            job.processing_instance_type or set(job.all_instance_types) & set(instance_type_names("processing"))
        ),
        tuning={
            "prefix": "",
            "max_jobs": job.max_tuning_jobs,
            "max_parallel_jobs": job.max_parallel_tuning_jobs,
        },
        file_systems=[each.file_system.as_request_default for each in settings.data.file_systems],
    )
