"""Controls 53 to 57: what each job of a state machine is given, whatever a request asks for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.customer_keys import is_customer_key
from hf_sagemaker.controls.jobs import jobs, networked_jobs
from hf_sagemaker.controls.state_machines import (
    State,
    StateMachine,
    integration,
    job_kind,
    request_defaults,
    state_machines,
)
from hf_sagemaker.controls.subnets import placement_fault
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.instance_types import UnknownInstanceTypeError, Use, instance_type
from hf_sagemaker.job_kinds import PROCESSING, TRAINING, TRANSFORM, TUNING, JobKind

WITH_A_JOB_TYPE = "the first job type in the settings"
"""What brings the state machines; an environment may serve only."""
_USES: Mapping[JobKind, Use] = {PROCESSING: "processing", TRANSFORM: "transform"}
_JOB = re.compile(r"sagemaker:create\w+Job\b")


def runs_in_our_network(templates: Templates) -> Iterator[Proof | Breach]:
    """Every job has its network interfaces in private subnets of at least two zones (a transform job: its model)."""
    for machine in state_machines(templates):
        for name, task in machine.tasks:
            if _JOB.match(integration(task)) and job_kind(task) is None:
                yield Breach(machine.resource, f"state {name} starts a job that no control judges yet.")
    for machine, name, job, _ in networked_jobs(templates):
        fault = placement_fault(templates, job.get("VpcConfig"))
        yield judge(machine.resource, not fault, f"state {name}: {fault}")


def isolates_containers(templates: Templates) -> Iterator[Proof | Breach]:
    """The container has no network; SageMaker brings its data and takes its model."""
    for machine, name, job, _ in networked_jobs(templates):
        isolated = job.get("EnableNetworkIsolation") is True
        yield judge(machine.resource, isolated, f"state {name}: EnableNetworkIsolation must be true.")


def encrypts_traffic(templates: Templates) -> Iterator[Proof | Breach]:
    """What the instances of one job tell each other is encrypted. Asked of all jobs: one instance pays nothing."""
    for machine, name, job, _ in networked_jobs(templates):
        encrypted = job.get("EnableInterContainerTrafficEncryption") is True
        yield judge(machine.resource, encrypted, f"state {name}: EnableInterContainerTrafficEncryption must be true.")


def encrypts_model_and_volumes(templates: Templates) -> Iterator[Proof | Breach]:
    """The model is encrypted with our key, and each volume that takes a key; local NVMe is encrypted by hardware."""
    for machine, name, job, kind in jobs(templates):
        key = job.get("OutputDataConfig", {}).get("KmsKeyId")
        yield judge(
            machine.resource,
            (kind is PROCESSING and "OutputDataConfig" not in job) or is_customer_key(templates, key),
            f"state {name}: OutputDataConfig.KmsKeyId must be a customer managed key, and is {key!r}.",
        )
        faults = list(_volume_faults(templates, machine, job, _USES.get(kind, "training")))
        yield judge(machine.resource, not faults, f"state {name}: {'; '.join(faults)}.")


def _volume_faults(templates: Templates, machine: StateMachine, job: State, use: Use) -> Iterator[str]:
    if "ResourceConfig" in job:
        volume = job["ResourceConfig"]
        takes_key = {volume.get("InstanceType"): "VolumeKmsKeyId" in volume}
        yield from _faults_of_types(takes_key, use)
        if any(takes_key.values()) and not is_customer_key(templates, volume["VolumeKmsKeyId"]):
            yield f"VolumeKmsKeyId is {volume['VolumeKmsKeyId']!r}, and must be a customer managed key"
        return
    # A request chooses the instance type; what it may choose, and which of them take the key, is the machine's to say.
    limits = request_defaults(machine)
    if "ResourceConfig.$" not in job or not limits:
        yield "nothing says which volumes are encrypted: instance types and volume key must be in the definition"
    for limit in limits:
        yield from _faults_of_types(limit["instance_types"], use)
        if limit.get("instance_type") not in limit["instance_types"]:
            yield f"the default {limit.get('instance_type')!r} is not among the instance types that are allowed"
        if not is_customer_key(templates, limit.get("volume_key")):
            yield f"volume_key is {limit.get('volume_key')!r}, and must be a customer managed key"


def _faults_of_types(takes_key: Mapping[str, Any], use: Use) -> Iterator[str]:
    if not takes_key:
        yield "no instance type is allowed"
    for name, takes in takes_key.items():
        try:
            wanted = instance_type(name, use).takes_volume_key
        except UnknownInstanceTypeError as error:
            yield str(error)
            continue
        if takes is not wanted:
            what = "takes a volume key and gets none" if wanted else "has local NVMe, which refuses a volume key"
            yield f"{name} {what}"


def spot_keeps_checkpoints(templates: Templates) -> Iterator[Proof | Breach]:
    """On spot, a job waits at least as long as it runs, and keeps checkpoints; on demand, it does not wait."""
    for machine, name, job, kind in jobs(templates):
        if kind not in (TRAINING, TUNING):
            continue
        faults = [*_spot_faults(job), *(fault for limit in request_defaults(machine) for fault in _limit_faults(limit))]
        yield judge(machine.resource, not faults, f"state {name}: {'; '.join(faults)}.")


def _spot_faults(job: State) -> Iterator[str]:
    spot = job.get("EnableManagedSpotTraining", False)
    stopping = job.get("StoppingCondition", {})
    waits = {"MaxWaitTimeInSeconds", "MaxWaitTimeInSeconds.$"} & set(stopping)
    checkpoints = job.get("CheckpointConfig", {})
    if "EnableManagedSpotTraining.$" in job or not isinstance(spot, bool):
        yield "whether it runs on spot must be decided by the state, not by its input"
    elif spot:
        if not waits:
            yield "it runs on spot, so StoppingCondition needs MaxWaitTimeInSeconds"
        if not {"S3Uri", "S3Uri.$"} & set(checkpoints) or not checkpoints.get("LocalPath"):
            yield "it runs on spot, so CheckpointConfig needs S3Uri and LocalPath"
    elif waits:
        yield "SageMaker refuses MaxWaitTimeInSeconds without EnableManagedSpotTraining"
    longest, patience = stopping.get("MaxRuntimeInSeconds"), stopping.get("MaxWaitTimeInSeconds")
    if longest is not None and patience is not None and patience < longest:
        yield f"MaxWaitTimeInSeconds is {patience}, below MaxRuntimeInSeconds ({longest})"


def _limit_faults(limit: Mapping[str, Any]) -> Iterator[str]:
    if limit.get("max_wait", 0) < limit.get("max_run", 0):
        yield f"max_wait is {limit.get('max_wait')}, below max_run ({limit.get('max_run')})"
    if limit.get("use_spot_instances") and not limit.get("checkpoints"):
        yield "requests run on spot unless they say otherwise, without checkpoints"


CONTROLS = (
    Control(53, "`VpcConfig` present", "prowler train_vpc", runs_in_our_network, WITH_A_JOB_TYPE),
    Control(54, "`EnableNetworkIsolation:true`", "prowler train_isolation", isolates_containers, WITH_A_JOB_TYPE),
    Control(
        55,
        "`EnableInterContainerTrafficEncryption:true` if instances>1",
        "MLSEC04-BP02, prowler",
        encrypts_traffic,
        WITH_A_JOB_TYPE,
    ),
    Control(
        56,
        "`OutputDataConfig.KmsKeyId` always; `ResourceConfig.VolumeKmsKeyId` **iff** instance family has no local NVMe "
        "(must be absent on g4dn/g5/p4d; hardware-encrypted there)",
        "prowler train_encryption",
        encrypts_model_and_volumes,
        WITH_A_JOB_TYPE,
    ),
    Control(
        57,
        "`EnableManagedSpotTraining` ⇔ `MaxWaitTimeInSeconds ≥ MaxRuntimeInSeconds` ⇔ CheckpointConfig.S3Uri/LocalPath",
        "AWS spot",
        spot_keeps_checkpoints,
        WITH_A_JOB_TYPE,
    ),
)
