"""Who may do what in an environment: roles, keys that the team owns, buckets that it reads, the Hub's token.

Never imports aws_cdk, see stacks/settings.py.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated

from pydantic import Field, field_validator

from stacks.file_system_settings import FileSystemSettings
from stacks.settings_base import HttpsUrl, Problem, Settings

KeyArn = Annotated[
    str,
    Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$", description="ARN of a KMS key"),
]
SecretArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+$",
        description="ARN of a Secrets Manager secret",
    ),
]
PrincipalPattern = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/[A-Za-z0-9+=,.@_/*-]+$",
        description="ARN of an IAM role or user; * stands for any part of its name, for example "
        "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_DataScientist_*",
    ),
]
Path = Annotated[str, Field(pattern=r"^/([A-Za-z0-9_.-]+/)*$", max_length=100, description="for example /ml/")]
_BUCKET_NAME = re.compile(
    r"^(?!\d+\.\d+\.\d+\.\d+$)(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]$"
)
_BUCKET_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def bucket_name(value: str) -> str:
    """The name, when S3 could have a bucket of that name; raises ValueError with the rule when not."""
    if not _BUCKET_NAME.match(value) or value.endswith(_BUCKET_SUFFIXES):
        raise ValueError(
            "no S3 bucket can have this name: it must be 3 to 63 lower-case letters, digits, hyphens or dots, begin "
            "and end with a letter or digit, and be no IP address"
        )
    return value


class RoleSettings(Settings):
    """The roles of the environment, and the people who may act in them."""

    path: Path = "/"
    """Path of every role and policy, for organisations that grant by path."""
    permissions_boundary: Annotated[
        str, Field(pattern=r"^(environment|none|arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+)$")
    ] = "environment"
    """Upper limit of every role: `environment` is the one of the Guardrails stack, `none` sets none, else the ARN of
    the organisation's own."""
    sagemaker_execution_role: bool = False
    """Adds a role named sagemaker_execution_role, which public notebooks expect, with the rights of a training job.
    Data scientists may then also start training jobs by themselves, inside this network only. One per account."""
    data_scientists: list[PrincipalPattern] = []
    """Who may assume the data scientist's role: upload data and code, start training, look on, call endpoints."""
    platform_operators: list[PrincipalPattern] = []
    """Who may assume the platform operator's role: approve models, stop runs, build images, read logs."""

    @field_validator("data_scientists", "platform_operators")
    @classmethod
    def _not_everybody(cls, value: list[str]) -> list[str]:
        for pattern in value:
            if not re.search(r"[A-Za-z0-9]", pattern.split(":")[-1].split("/", 1)[1]):
                raise ValueError(f"{pattern} admits everybody in the account; name roles or users")
        return value


class KeySettings(Settings):
    """KMS keys that the team owns, by the class of data that they encrypt. Omitted: the stack creates a key.

    A key of the team's must let this environment's roles and services use it; docs/keys.md says which.
    """

    data: KeyArn | None = None
    """Training data."""
    models: KeyArn | None = None
    """Models, checkpoints and the volumes of jobs and endpoints."""
    images: KeyArn | None = None
    """Container images and their builds."""
    logs: KeyArn | None = None
    """Log groups, flow logs and S3 access logs."""
    operations: KeyArn | None = None
    """Notifications, state machines and functions."""


class ReadOnlyBucket(Settings):
    """A bucket of the team's that training jobs may read."""

    name: Annotated[str, Field(description="name of the bucket")]
    key_arn: KeyArn | None = None
    """The KMS key that encrypts it. Omitted: it is encrypted without one."""

    @field_validator("name")
    @classmethod
    def _possible(cls, value: str) -> str:
        return bucket_name(value)


class ReplicationSettings(Settings):
    """Where copies of models go. The bucket must be versioned, and its owner must admit the replication role."""

    bucket: Annotated[str, Field(description="name of the bucket that receives the copies")]
    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    """Account of that bucket, 12 digits in quotation marks."""
    key_arn: KeyArn
    """The key that encrypts the copies, in that bucket's region."""

    @field_validator("bucket")
    @classmethod
    def _possible(cls, value: str) -> str:
        return bucket_name(value)


class DataSettings(Settings):
    """Buckets, and file systems."""

    read_only_buckets: list[ReadOnlyBucket] = []
    """Buckets outside this environment that training jobs may read. Everything else outside is refused."""
    file_systems: list[FileSystemSettings] = []
    """EFS and FSx for Lustre file systems that training jobs may mount as channels. Omitted: none."""
    object_lock_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    """Days for which nobody but a holder of s3:BypassGovernanceRetention can delete a model's version. Omitted: no
    Object Lock. Cannot be taken back once deployed."""
    replication: ReplicationSettings | None = None
    """Copies of models in another bucket. Omitted: none."""


class HubModelSettings(Settings):
    """A model of the Hub that is brought into the models bucket."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=96)]
    """Its name, with the namespace: google-bert/bert-base-uncased."""
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200)]
    """A commit, 40 hexadecimal digits. Or a branch or tag: it is resolved when the model is brought first, and stays
    that commit."""
    allow_pickle: bool = False
    """Also bring weights in formats that may run code when they are loaded (.bin, .pt, .h5 …). False: safetensors
    only, and a model without is refused."""
    allow_remote_code: list[Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]] = []
    """Commits whose own code (trust_remote_code) people have read. A model that has any is refused without."""

    @field_validator("id")
    @classmethod
    def _possible(cls, value: str) -> str:
        # In the mirror's folders -- stands for the slash.
        if "--" in value or ".." in value:
            raise ValueError("no model of the Hub can have a name with -- or .. in it")
        return value

    @field_validator("revision")
    @classmethod
    def _no_way_up(cls, value: str) -> str:
        if ".." in value or value.endswith("/"):
            raise ValueError("git knows no branch or tag of this name")
        return value


class HubSettings(Settings):
    """The Hugging Face Hub."""

    models: list[HubModelSettings] = []
    """What `hfsm mirror` brings, and nothing else. Omitted: there is no mirror."""
    endpoint: HttpsUrl | None = None
    """Another server that speaks the Hub's API, for example an Artifactory or Nexus that is a proxy of it. The token is
    sent to it. Omitted: the Hugging Face Hub."""
    token_secret_arn: SecretArn | None = None
    """ARN of the Secrets Manager secret that holds the Hub token. Only the mirroring role may read it, at run time.
    Omitted: public models only."""
    token_key_arn: KeyArn | None = None
    """The KMS key that encrypts that secret. Omitted: it is encrypted with the account's aws/secretsmanager."""


class FunctionSettings(Settings):
    """The Lambda functions of the stack."""

    reserved_concurrency: Annotated[int, Field(ge=1, le=100)] | None = 5
    """Concurrent executions reserved for each function, and its upper limit. AWS keeps 100 of an account's quota
    unreserved, and a new account's quota may be as low as 10: null reserves none."""


def access_problems(
    account: str,
    region: str,
    keys: KeySettings,
    roles: RoleSettings,
    hub: HubSettings,
    further: Sequence[tuple[str, str | None]] = (),
) -> list[Problem]:
    """ARNs that cannot be meant: of another partition, people of another account, a key of another region.

    further: field and ARN of what other settings name. Omitted: nothing.
    """
    key_arns = [(f"keys.{name}", arn) for name, arn in keys if arn]
    people = [
        (f"roles.{field}.{i}", arn)
        for field in ("data_scientists", "platform_operators")
        for i, arn in enumerate(getattr(roles, field))
    ]
    others = [
        ("roles.permissions_boundary", roles.permissions_boundary),
        ("hub.token_secret_arn", hub.token_secret_arn),
        ("hub.token_key_arn", hub.token_key_arn),
        *further,
    ]
    arns = [*key_arns, *people, *((path, arn) for path, arn in others if arn and arn.startswith("arn:"))]
    wanted = partition_of(region)
    models = [f"{model.id}@{model.revision}" for model in hub.models]
    return [
        *(
            (f"hub.models.{i}", model, "must be a model and revision that no earlier entry has")
            for i, model in enumerate(models)
            if model in models[:i]
        ),
        *(
            (path, arn, f"must be an ARN of the partition of {region}: arn:{wanted}:…")
            for path, arn in arns
            if arn.split(":")[1] != wanted
        ),
        *(
            (
                path,
                arn,
                f"must be a role or user of this environment's account, {account}: people of another account "
                "come through a role here",
            )
            for path, arn in people
            if arn.split(":")[4] != account
        ),
        *(
            (path, arn, f"must be a key of {region}: buckets, logs and volumes take keys of their own region only")
            for path, arn in key_arns
            if arn.split(":")[3] != region
        ),
    ]


def notebook_roles(environments: Mapping[str, tuple[str, RoleSettings]]) -> list[tuple[str, Problem]]:
    """Environment and problem for each that wants a role named sagemaker_execution_role in an account that has one.

    environments: by name, each with its account.
    """
    asking = {name: account for name, (account, roles) in environments.items() if roles.sagemaker_execution_role}
    return [
        (
            second,
            (
                "roles.sagemaker_execution_role",
                True,
                f"must be false: {first} has a role of that name in the same account, {asking[first]}",
            ),
        )
        for first, second in combinations(asking, 2)
        if asking[first] == asking[second]
    ]


def partition_of(region: str) -> str:
    """The partition of AWS that a region is in."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-isob-": "aws-iso-b", "us-iso-": "aws-iso"}
    return next((partition for prefix, partition in prefixes.items() if region.startswith(prefix)), "aws")
