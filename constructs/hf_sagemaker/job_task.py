"""What all tasks share that run a SageMaker job to its end: name, retries, time limit, permissions.

CDK's own tasks know neither spot nor checkpoints nor tuning, and `CallAwsService` refuses `.sync`; so these states are
written as Amazon States Language.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.instance_types import UnknownInstanceTypeError, Use, instance_type
from hf_sagemaker.job_kinds import JobKind
from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Placement
from hf_sagemaker.state_input import FromInput, rendered

TO_START_AND_END = 3600
"""Seconds that a state waits longer than the longest job of its kind runs."""
TRANSIENT: Sequence[Mapping[str, Any]] = (
    {
        # Throttling and 5XX come under this name. Full jitter: many runs started together do not come back together.
        "ErrorEquals": ["SageMaker.AmazonSageMakerException", "SageMaker.SdkClientException"],
        "IntervalSeconds": 5,
        "BackoffRate": 2,
        "MaxAttempts": 5,
        "MaxDelaySeconds": 120,
        "JitterStrategy": "FULL",
    },
)
"""What is tried again. Never `States.TaskFailed`: a script that failed would fail, and be paid for, again. Nor a quota
that is used up, `SageMaker.ResourceLimitExceededException`: waiting seldom raises it, and people can."""

_REDRIVES = "$$.Execution.RedriveCount"
_HASH = f"States.Hash(States.Format('{{}}/{{}}/{{}}', $$.Execution.Id, $$.State.Name, {_REDRIVES}), 'MD5')"
_LENGTH_OF_HASH = 32
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


class InvalidJobError(ValueError):
    """SageMaker would refuse the job; the text names everything that is wrong with it."""


def refuse(job: str, problems: Iterable[str | None]) -> None:
    """Raises InvalidJobError with all problems in one paragraph. None and empty texts are no problems."""
    if found := [problem for problem in problems if problem]:
        raise InvalidJobError(f"{job} cannot run: {'; '.join(found)}.")


@dataclass(frozen=True)
class JobName:
    """How a job is called: the same in each attempt of one state, another in each execution.

    value: what the state puts there. pattern: what all such names look like to IAM. length: characters, None where
    only the state's input tells.
    """

    value: FromInput
    pattern: str
    length: int | None = None

    @classmethod
    def of_execution(cls, prefix: str = "") -> "JobName":
        """Made of the execution, the state's name and the number of redrives, so that a retry means the same job.

        prefix: what names begin with, at most 30 characters. Omitted, and always for a tuning job: none, since the
            hash has 32 characters, and then IAM cannot tell these jobs from others of their kind.

        Not for a state inside a Map state, whose items would share a name: give those one with `at`.
        """
        if not prefix:
            return cls(FromInput(_HASH), "*", _LENGTH_OF_HASH)
        if not _NAME.fullmatch(prefix):
            raise InvalidJobError(
                f"The prefix {prefix!r} of a job's name must be letters and digits, with hyphens between them."
            )
        value = FromInput(f"States.Format('{prefix}-{{}}', {_HASH})")
        return cls(value, f"{prefix}-*", len(prefix) + 1 + _LENGTH_OF_HASH)

    @classmethod
    def at(cls, path: str, *, pattern: str) -> "JobName":
        """Read from the state's input. pattern: what all names look like that can stand there, for example `dev-*`."""
        return cls(FromInput(path), pattern)

    @classmethod
    def numbered(cls, path: str, *, pattern: str) -> "JobName":
        """Read from the state's input, followed by the number of the execution's redrives.

        A job that failed keeps its name: a redriven execution needs another. path: of a name that is unique to the
        execution and the state, with at least 3 characters less than SageMaker takes. pattern: as for `at`.
        """
        return cls(FromInput(f"States.Format('{{}}-{{}}', {path}, {_REDRIVES})"), pattern)


@dataclass(frozen=True, kw_only=True)
class JobPlace:
    """Where a job runs and whom it acts as: what no request can change.

    role: assumed by the job.
    placement: its subnets and security groups.
    key: encrypts its output, and its volumes where their instance type takes a key.
    isolated: the container has no network; read from the input, where that may be laxer.
    """

    role: iam.IRole
    placement: Placement
    key: kms.IKey
    isolated: bool | FromInput = True

    @property
    def vpc_config(self) -> dict[str, Any]:
        """As SageMaker's requests have it."""
        return {"Subnets": self.placement.subnet_ids, "SecurityGroupIds": self.placement.security_group_ids}


@dataclass(frozen=True, kw_only=True)
class JobInstances:
    """What a job runs on. type: for example `ml.g5.xlarge`. volume_size: GiB per instance."""

    type: str
    count: int = 1
    volume_size: int = 30

    def problems(self, use: Use) -> list[str]:
        """Why SageMaker would refuse them for this use."""
        found = []
        try:
            instance_type(self.type, use)
        except UnknownInstanceTypeError as error:
            found.append(str(error).rstrip("."))
        if self.count < 1:
            found.append(f"the number of instances is {self.count}, and must be at least 1")
        if not 1 <= self.volume_size <= 16384:
            found.append(f"the volume has {self.volume_size} GiB, and must have between 1 and 16384")
        return found

    def volume_key(self, use: Use, key: kms.IKey) -> str | None:
        """The key's ARN where the volume takes one; local NVMe is encrypted by hardware and refuses it."""
        return key.key_arn if instance_type(self.type, use).takes_volume_key else None


def tags(values: Mapping[str, str] | FromInput) -> list[dict[str, str]] | FromInput | None:
    """As SageMaker's requests have them."""
    if isinstance(values, FromInput):
        return values
    return [{"Key": key, "Value": value} for key, value in values.items()] or None


class JobTask(sfn.CustomState):
    """A state that runs one job. Subclasses say what it is; what all share is here.

    kind: of the job. name: of the job. name_pattern: of its name, as IAM sees it. result_path: of its description.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        kind: JobKind,
        name: JobName,
        request: Mapping[str, Any],
        result_path: str,
        role: iam.IRole | None,
        key: kms.IKey,
        longest_run: int | None = None,
    ) -> None:
        """Creates the state.

        request: members of the API's Create call, besides the name.
        result_path: where the finished job's description lies.
        role: whom the job acts as, to be passed to SageMaker. None: the job names none.
        key: of its volumes. longest_run: seconds. Omitted: the longest that SageMaker allows.

        Raises InvalidJobError when the name is too long.
        """
        refuse(
            construct_id,
            [
                f"its name has {name.length} characters, and SageMaker takes {kind.longest_name}"
                if (name.length or 0) > kind.longest_name
                else None
            ],
        )
        super().__init__(
            scope,
            construct_id,
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(scope).partition}:states:::sagemaker:create{kind.api}.sync",
                "Parameters": rendered({f"{kind.api}Name": name.value, **request}),
                "ResultPath": result_path,
                "TimeoutSeconds": (longest_run or kind.longest_run) + TO_START_AND_END,
                "Retry": [dict(rule) for rule in TRANSIENT],
            },
        )
        self.kind = kind
        self.name = name
        self.name_pattern = name.pattern
        self.result_path = result_path
        self._role = role
        self._key = key

    @property
    def permissions(self) -> list[allow.Permission]:
        """All that the state machine's role needs for this state, for a `DutyPolicy`."""
        return [
            allow.run_jobs(self, self.kind, self.name_pattern),
            *([allow.pass_role(self._role, "sagemaker.amazonaws.com")] if self._role else []),
            allow.encrypt_volumes(self, self._key),
        ]
