"""`sagemaker:createTransformJob.sync` as a state: a model over all objects of a prefix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import aws_kms as kms
from constructs import Construct

from hf_sagemaker.job_kinds import TRANSFORM
from hf_sagemaker.job_task import JobInstances, JobName, JobTask, refuse, tags
from hf_sagemaker.state_input import FromInput, Text

_MOST_MEGABYTES = 100
_MOST_VARIABLES = 16


@dataclass(frozen=True, kw_only=True)
class Batches:
    """How objects become requests to the model.

    split: `Line` sends lines, `None` an object as a whole. Omitted: lines.
    strategy: `SingleRecord` sends each line by itself, `MultiRecord` as many as fit. Omitted: each by itself. Has no
        meaning where objects are not split.
    max_payload_mb: of one request, at most 100. max_concurrent: requests to one instance at a time. Both multiplied
        are at most 100.
    """

    split: Literal["Line", "None"] = "Line"
    strategy: Literal["SingleRecord", "MultiRecord"] = "SingleRecord"
    max_payload_mb: int = 6
    max_concurrent: int = 1

    def problems(self) -> list[str]:
        """Why SageMaker would refuse them."""
        found = []
        if self.split == "None" and self.strategy == "MultiRecord":
            found.append("strategy MultiRecord puts lines together, and split is None")
        if not 1 <= self.max_payload_mb <= _MOST_MEGABYTES:
            found.append(f"max_payload_mb is {self.max_payload_mb}, and must be between 1 and {_MOST_MEGABYTES}")
        if self.max_concurrent < 1:
            found.append(f"max_concurrent is {self.max_concurrent}, and must be at least 1")
        if self.max_payload_mb * self.max_concurrent > _MOST_MEGABYTES:
            found.append(
                f"max_payload_mb ({self.max_payload_mb}) times max_concurrent ({self.max_concurrent}) is above "
                f"{_MOST_MEGABYTES}"
            )
        return found


class TransformJobTask(JobTask):
    """One batch transform job; the state ends when the job does, with its description at `result_path`.

    Each object `<source>/x.jsonl` becomes `<destination>/x.jsonl.out`. Role, network and isolation are the model's.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        model: Text,
        key: kms.IKey,
        name: JobName,
        instances: JobInstances,
        source: Text,
        destination: Text,
        content_type: str,
        accept: str | None = None,
        batches: Batches | None = None,
        environment: Mapping[str, Text] | None = None,
        job_tags: Mapping[str, str] | FromInput | None = None,
        volume_key: kms.IKey | None = None,
        longest_run: int | None = None,
        result_path: str = "$.transform",
    ) -> None:
        """Creates the state.

        model: name of a SageMaker model. key: encrypts the output.
        volume_key: encrypts volumes where the instance type takes a key. Omitted: `key`.
        longest_run: seconds that the job may run; nothing but this state ends it. Omitted: the longest that SageMaker
            allows.
        instances: a transform job's volumes have no size to be chosen; volume_size is not read.
        source, destination: S3 prefixes.
        content_type, accept: of requests and answers, for example `application/json`. accept omitted: the model's
            choice.
        batches: Omitted: line by line, one request at a time.
        environment: variables of the model's container, at most 16, beside the model's own; never a token.
        job_tags: of the job. Omitted: none.
        result_path: Omitted: `$.transform`.

        Raises InvalidJobError with everything that SageMaker would refuse.
        """
        batches, volume_key = batches or Batches(), volume_key or key
        refuse(
            f"The transform job {construct_id}",
            [
                *instances.problems("transform"),
                *batches.problems(),
                f"it has {len(environment)} environment variables, and SageMaker takes {_MOST_VARIABLES}"
                if environment and len(environment) > _MOST_VARIABLES
                else None,
            ],
        )
        super().__init__(
            scope,
            construct_id,
            kind=TRANSFORM,
            name=name,
            request={
                "ModelName": model,
                "TransformInput": {
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
                    "ContentType": content_type,
                    "CompressionType": "None",
                    "SplitType": batches.split,
                },
                "TransformOutput": {
                    "S3OutputPath": destination,
                    "Accept": accept,
                    "AssembleWith": batches.split,
                    "KmsKeyId": key.key_arn,
                },
                "TransformResources": {
                    "InstanceType": instances.type,
                    "InstanceCount": instances.count,
                    "VolumeKmsKeyId": instances.volume_key("transform", volume_key),
                },
                **_requests(batches),
                "Environment": environment or None,
                "Tags": tags(job_tags or {}),
            },
            result_path=result_path,
            role=None,
            key=volume_key,
            longest_run=longest_run,
        )


def _requests(batches: Batches) -> dict[str, Any]:
    return {
        "BatchStrategy": batches.strategy if batches.split == "Line" else None,
        "MaxPayloadInMB": batches.max_payload_mb,
        "MaxConcurrentTransforms": batches.max_concurrent,
    }
