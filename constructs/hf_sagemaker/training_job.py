"""What a training job does, in one value: said at synth, or read from the state's input. Imports no CDK."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hf_sagemaker.state_input import FromInput, Text

HyperParameter = str | int | float | bool | FromInput

CHECKPOINT_PATH = "/opt/ml/checkpoints"
"""Where SageMaker puts checkpoints back before a container starts, and takes them from while it runs."""
LONGEST_WARM_POOL = 21600
"""Seconds that SageMaker keeps instances after a job, at most."""
MOST_RETRIES = 30
"""Of SageMaker's own, after its own errors."""


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """The part of a training job that a run decides, and no role, network or key.

    channels: name → S3 prefix. hyperparameters: the script's arguments. max_run: seconds of training.
    max_wait: seconds of waiting for spot instances and training together; at least max_run. Only a job on spot has one.
    checkpoint_s3_uri: where its checkpoints lie; a job on spot needs them. Two jobs that take the same one go on from
        each other. Omitted: it keeps none.
    metric_definitions: name → regular expression with one group, which finds the number in the log.
    environment: variables; never a token, since everybody who may describe the job can read them.
    tags: of the job.
    """

    max_run: int | FromInput
    channels: Mapping[str, Text] | FromInput = field(default_factory=dict)
    hyperparameters: Mapping[str, HyperParameter] | FromInput = field(default_factory=dict)
    max_wait: int | FromInput | None = None
    checkpoint_s3_uri: Text | None = None
    metric_definitions: Mapping[str, str] | FromInput = field(default_factory=dict)
    environment: Mapping[str, Text] | FromInput = field(default_factory=dict)
    tags: Mapping[str, str] | FromInput = field(default_factory=dict)

    @classmethod
    def from_input(cls, path: str = "$.job") -> "TrainingJob":
        """Everything is read from the state's input, below the path, in SageMaker's own form.

        It must hold `hyper_parameters`, `input_data`, `environment`, `tags`, `metric_definitions` and `max_run`;
        on spot `max_wait`; with checkpoints `checkpoint_s3_uri`. `docs/training-tasks.md` shows one.
        """
        return cls(
            max_run=FromInput(f"{path}.max_run"),
            channels=FromInput(f"{path}.input_data"),
            hyperparameters=FromInput(f"{path}.hyper_parameters"),
            max_wait=FromInput(f"{path}.max_wait"),
            checkpoint_s3_uri=FromInput(f"{path}.checkpoint_s3_uri"),
            metric_definitions=FromInput(f"{path}.metric_definitions"),
            environment=FromInput(f"{path}.environment"),
            tags=FromInput(f"{path}.tags"),
        )

    def stopping(self, *, spot: bool) -> dict[str, Any]:
        """`StoppingCondition`. SageMaker refuses a wait without spot."""
        return {"MaxRuntimeInSeconds": self.max_run, **({"MaxWaitTimeInSeconds": self.max_wait} if spot else {})}

    @property
    def hyper_parameters(self) -> dict[str, Text] | FromInput | None:
        """`HyperParameters`: JSON text of each value, as the SageMaker SDK sends them, so that scripts get types."""
        if isinstance(self.hyperparameters, FromInput):
            return self.hyperparameters
        return {
            name: value if isinstance(value, FromInput) else json.dumps(value)
            for name, value in self.hyperparameters.items()
        } or None

    @property
    def input_data(self) -> list[dict[str, Any]] | FromInput | None:
        """`InputDataConfig`."""
        if isinstance(self.channels, FromInput):
            return self.channels
        return [
            {
                "ChannelName": name,
                "InputMode": "File",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": uri,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for name, uri in self.channels.items()
        ] or None

    @property
    def metrics(self) -> list[dict[str, str]] | FromInput | None:
        """`MetricDefinitions`."""
        if isinstance(self.metric_definitions, FromInput):
            return self.metric_definitions
        return [{"Name": name, "Regex": regex} for name, regex in self.metric_definitions.items()] or None

    @property
    def checkpoints(self) -> dict[str, Text] | None:
        """`CheckpointConfig`."""
        if self.checkpoint_s3_uri is None:
            return None
        return {"S3Uri": self.checkpoint_s3_uri, "LocalPath": CHECKPOINT_PATH}

    def problems(
        self, *, spot: bool, checkpoints: bool, keep_alive: int | None, retries: int | FromInput | None
    ) -> Sequence[str]:
        """Why SageMaker would refuse it, or why it would lose its work."""
        found = []
        if spot:
            if self.max_wait is None:
                found.append("it runs on spot, so it needs max_wait")
            elif isinstance(self.max_wait, int) and isinstance(self.max_run, int) and self.max_wait < self.max_run:
                found.append(f"max_wait is {self.max_wait}, and must be at least max_run ({self.max_run})")
            if not checkpoints or self.checkpoint_s3_uri is None:
                found.append("it runs on spot, so it needs checkpoint_s3_uri: an interruption would lose everything")
        if keep_alive is not None:
            if spot:
                found.append("a warm pool keeps instances on demand only, and this job runs on spot")
            if not 1 <= keep_alive <= LONGEST_WARM_POOL:
                found.append(
                    f"keep_alive_period_in_seconds is {keep_alive}, and must be between 1 and {LONGEST_WARM_POOL}"
                )
        if isinstance(retries, int) and not 1 <= retries <= MOST_RETRIES:
            found.append(f"retry_attempts is {retries}, and must be between 1 and {MOST_RETRIES}")
        if isinstance(self.max_run, int) and self.max_run < 1:
            found.append(f"max_run is {self.max_run}, and must be at least 1")
        return found
