"""The AWS that a command talks to: the real one, the one at AWS_ENDPOINT_URL, or the embedded one."""

import os
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from hfsm.errors import OperatorError, WrongUseError

LOCAL_REGION = "us-east-1"
LOCAL_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@dataclass
class Cloud:
    """Clients for one AWS.

    endpoint_url: None is AWS itself. local: True for the embedded AWS, which gets a made-up identity, so that
    the operator's own credentials never go there. region: left out: AWS_REGION, else what boto3 finds, or
    us-east-1 for the embedded AWS. profile: of ~/.aws/config. Left out: AWS_PROFILE, or what boto3 finds.
    """

    endpoint_url: str | None = None
    local: bool = False
    region: str | None = None
    profile: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)
    # One session for all clients: what it has read of the services' descriptions is read once.
    _session: Any = None

    def client(self, service: str, attempts: int = 4) -> Any:
        """A boto3 client, made once per service. attempts: 1 is without retries.

        Its type is the caller's business: boto3 makes them at run time.
        """
        key = f"{service} {attempts}"
        if key not in self._clients:
            arguments: dict[str, Any] = {"endpoint_url": self.endpoint_url}
            arguments["config"] = Config(retries={"mode": "standard", "total_max_attempts": attempts})
            # boto3 itself reads AWS_DEFAULT_REGION only; the CDK and the other SDKs read AWS_REGION.
            arguments["region_name"] = self.region or os.environ.get("AWS_REGION")
            if self.local:
                arguments |= {
                    "region_name": arguments["region_name"] or LOCAL_REGION,
                    "aws_access_key_id": LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"],
                    "aws_secret_access_key": LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                }
            self._session = self._session or boto3.session.Session(profile_name=self.profile)
            self._clients[key] = self._session.client(service, **arguments)
        return self._clients[key]

    @property
    def poll_seconds(self) -> float:
        """How often to look at something that runs.

        AWS throttles DescribeTrainingJob; the embedded AWS does not.
        """
        return 1.0 if self.local or self.endpoint_url else 5.0

    @property
    def cli_prefix(self) -> str:
        """How the aws command begins that talks to the same place."""
        return f"aws --endpoint-url {self.endpoint_url}" if self.endpoint_url else "aws"


def connect(local: bool, profile: str | None = None) -> Cloud:
    """The AWS to talk to. Raises OperatorError where `local` is asked for and none runs.

    profile: whose credentials. Left out: the usual ones. The embedded AWS has none.
    """
    if not local:
        return Cloud(endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None, profile=profile)
    # Imported here: without --local nothing needs to know about processes.
    from hfsm.local import running

    daemon = running()
    if daemon is None:
        raise OperatorError("No embedded AWS is running on this machine. Start one with `hfsm local up`.")
    return Cloud(endpoint_url=daemon.endpoint_url, local=True)


@dataclass(frozen=True)
class Parameters:
    """The SSM parameters of one environment, by which the stacks tell what they made.

    environment: `dev`, `prod`, …: the name of its file in environments/.
    """

    cloud: Cloud
    environment: str

    @property
    def prefix(self) -> str:
        return f"/hf-sagemaker/{self.environment}"

    def find(self, path: str) -> str | None:
        """The value at `path` below the environment's prefix, or None."""
        try:
            answer = self.cloud.client("ssm").get_parameter(Name=f"{self.prefix}/{path}")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ParameterNotFound":
                return None
            raise
        return str(answer["Parameter"]["Value"])

    def get(self, path: str) -> str:
        """As find, but raises WrongUseError naming the parameter that is missing."""
        value = self.find(path)
        if value is None:
            raise WrongUseError(
                f"The parameter {self.prefix}/{path} does not exist in "
                f"{self.cloud.endpoint_url or 'this account and region'}. Is environment {self.environment!r} "
                "deployed there? If not: `make deploy ENV=" + self.environment + "`."
            )
        return value

    def below(self, path: str) -> dict[str, str]:
        """Every parameter below `path`, its name relative to it."""
        prefix = f"{self.prefix}/{path}".rstrip("/")
        pages = self.cloud.client("ssm").get_paginator("get_parameters_by_path")
        found: dict[str, str] = {}
        for page in pages.paginate(Path=prefix, Recursive=True):
            for parameter in page["Parameters"]:
                found[parameter["Name"].removeprefix(prefix + "/")] = parameter["Value"]
        return found

    def children(self, path: str) -> list[str]:
        """The first path segments below `path`: image names, job types, endpoints."""
        return sorted({name.split("/")[0] for name in self.below(path)})
