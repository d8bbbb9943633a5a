"""`sagemaker:createProcessingJob.sync` as a state: a script over data, for preparation and evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constructs import Construct

from hf_sagemaker.job_kinds import PROCESSING
from hf_sagemaker.job_task import TO_START_AND_END, JobInstances, JobName, JobPlace, JobTask, refuse, tags
from hf_sagemaker.state_input import FromInput, Text

PROCESSING_PATH = "/opt/ml/processing/"
"""Below it lies everything that SageMaker brings to the container and takes from it."""
_MOST = 10  # inputs, and outputs


@dataclass(frozen=True, kw_only=True)
class ProcessingInput:
    """Objects that the container finds as files. uri: S3 prefix. path: folder below /opt/ml/processing/."""

    uri: Text
    path: str


@dataclass(frozen=True, kw_only=True)
class ProcessingOutput:
    """A folder that goes to S3. path: below /opt/ml/processing/. uri: S3 prefix.

    continuous: while the job runs, as files appear. Omitted: when it has succeeded.
    """

    uri: Text
    path: str
    continuous: bool = False


class ProcessingJobTask(JobTask):
    """One processing job; the state ends when the job does, with its description at `result_path`.

    A script that fails says why in `/opt/ml/output/message`, which is the description's `ExitMessage`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        place: JobPlace,
        image: Text,
        name: JobName,
        instances: JobInstances,
        max_run: int,
        entry_point: Sequence[Text] = (),
        arguments: Sequence[Text] | FromInput = (),
        inputs: Mapping[str, ProcessingInput] | FromInput | None = None,
        outputs: Mapping[str, ProcessingOutput] | None = None,
        environment: Mapping[str, Text] | None = None,
        job_tags: Mapping[str, str] | FromInput | None = None,
        result_path: str = "$.processing",
    ) -> None:
        """Creates the state.

        image: what the job runs; a `FromInput` where a state before has left it.
        max_run: seconds, at most 777600.
        entry_point, arguments: instead of the image's own, which for a training image trains. Omitted: the image's.
        inputs, outputs: by name, at most 10 each. Outputs are encrypted with the place's key. Arguments and inputs may
            also be read whole from the state's input, as SageMaker has them.
        environment: variables; never a token.
        job_tags: of the job. Omitted: none.
        result_path: Omitted: `$.processing`.

        Raises InvalidJobError with everything that SageMaker would refuse.
        """
        outputs = outputs or {}
        named = {} if inputs is None or isinstance(inputs, FromInput) else inputs
        refuse(
            f"The processing job {construct_id}",
            [
                *instances.problems("processing"),
                *_path_problems("input", named),
                *_path_problems("output", outputs),
                f"max_run is {max_run}, and must be between 1 and {PROCESSING.longest_run}"
                if not 1 <= max_run <= PROCESSING.longest_run
                else None,
            ],
        )
        super().__init__(
            scope,
            construct_id,
            kind=PROCESSING,
            name=name,
            request={
                "AppSpecification": {
                    "ImageUri": image,
                    "ContainerEntrypoint": list(entry_point) or None,
                    "ContainerArguments": arguments if isinstance(arguments, FromInput) else list(arguments) or None,
                },
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceType": instances.type,
                        "InstanceCount": instances.count,
                        "VolumeSizeInGB": instances.volume_size,
                        "VolumeKmsKeyId": instances.volume_key("processing", place.key),
                    }
                },
                "ProcessingInputs": inputs
                if isinstance(inputs, FromInput)
                else [_input(key, value) for key, value in named.items()] or None,
                "ProcessingOutputConfig": {
                    "Outputs": [_output(key, value) for key, value in outputs.items()],
                    "KmsKeyId": place.key.key_arn,
                }
                if outputs
                else None,
                "StoppingCondition": {"MaxRuntimeInSeconds": max_run},
                "Environment": environment or None,
                "NetworkConfig": {
                    "VpcConfig": place.vpc_config,
                    "EnableInterContainerTrafficEncryption": True,
                    "EnableNetworkIsolation": place.isolated,
                },
                "RoleArn": place.role.role_arn,
                "Tags": tags(job_tags or {}),
            },
            result_path=result_path,
            role=place.role,
            key=place.key,
            longest_run=max_run + TO_START_AND_END,  # instances are looked for before the job's own time begins
        )


def _path_problems(what: str, places: Mapping[str, ProcessingInput] | Mapping[str, ProcessingOutput]) -> list[str]:
    found = [
        f"the path of {what} {name} is {place.path!r}, and must begin with {PROCESSING_PATH}"
        for name, place in places.items()
        if not place.path.startswith(PROCESSING_PATH)
    ]
    if len(places) > _MOST:
        found.append(f"it has {len(places)} {what}s, and SageMaker takes {_MOST}")
    return found


def _input(name: str, place: ProcessingInput) -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": place.uri,
            "LocalPath": place.path,
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
            "S3DataDistributionType": "FullyReplicated",
        },
    }


def _output(name: str, place: ProcessingOutput) -> dict[str, Any]:
    return {
        "OutputName": name,
        "S3Output": {
            "S3Uri": place.uri,
            "LocalPath": place.path,
            "S3UploadMode": "Continuous" if place.continuous else "EndOfJob",
        },
    }
