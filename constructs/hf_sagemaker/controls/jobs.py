"""The SageMaker jobs that state machines run, in one form whatever their kind: as CreateTrainingJob would have them."""

from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.state_machines import State, StateMachine, state_machines
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.job_kinds import PROCESSING, TRANSFORM, TUNING, JobKind

Job = tuple[StateMachine, str, State, JobKind]
"""Machine, name of the state, what it sends, and the kind of job."""


def jobs(templates: Templates) -> Iterator[Job]:
    """Every job that a state machine runs."""
    for machine in state_machines(templates):
        for name, task, kind in machine.job_tasks:
            yield machine, name, as_training(task, kind), kind


def networked_jobs(templates: Templates) -> Iterator[Job]:
    """The jobs that say where they run: a transform job's model does, and controls of hosting judge models."""
    return (job for job in jobs(templates) if job[3] is not TRANSFORM)


def as_training(task: State, kind: JobKind) -> State:
    """What the task sends, under the names that CreateTrainingJob has for it. Of a tuning job: of its children."""
    request: Mapping[str, Any] = task.get("Parameters", {})
    if kind is TUNING:
        return dict(request.get("TrainingJobDefinition", {}))
    if kind is PROCESSING:
        program, output = request.get("AppSpecification", {}), request.get("ProcessingOutputConfig")
        return {
            **request.get("NetworkConfig", {}),
            "AlgorithmSpecification": {key.replace("ImageUri", "TrainingImage"): uri for key, uri in program.items()},
            "ResourceConfig": request.get("ProcessingResources", {}).get("ClusterConfig", {}),
            **({"OutputDataConfig": output} if output else {}),
        }
    if kind is TRANSFORM:
        return {
            "ResourceConfig": request.get("TransformResources", {}),
            "OutputDataConfig": request.get("TransformOutput", {}),
        }
    return request
