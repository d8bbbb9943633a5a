"""What goes wrong for a person, as one paragraph: what, where, what to do."""

from collections.abc import Sequence

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

FAILED = 1
WRONG_USE = 2

AWS_ERRORS = (BotoCoreError, ClientError, Boto3Error)
"""What calls of boto3 raise; its transfers have errors of their own kind."""


class OperatorError(Exception):
    """Something that a person has to be told.

    message: one paragraph. exit_code: FAILED where something did not work, WRONG_USE where the command or a
    file was wrong and nothing was started.
    """

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


class WrongUseError(OperatorError):
    """A wrong argument or a wrong file: found before anything was started."""

    def __init__(self, message: str) -> None:
        super().__init__(message, WRONG_USE)


def raise_problems(problems: Sequence[str], shown: int = 20) -> None:
    """Raise WrongUseError with each problem on a line of its own, at most `shown` of them; none: no effect."""
    if not problems:
        return
    lines = list(problems[:shown])
    if len(problems) > shown:
        lines.append(f"… and {len(problems) - shown} more.")
    raise WrongUseError("\n".join(lines))


def explain_aws_error(error: Exception, endpoint_url: str | None) -> str:
    """One paragraph for one of AWS_ERRORS. endpoint_url: where it was talking to; None is AWS itself."""
    where = endpoint_url or "AWS"
    if isinstance(error, NoCredentialsError):
        return (
            f"No AWS credentials were found to talk to {where}. Sign in (`aws sso login`, `aws configure`, or "
            "AWS_PROFILE), or use --local for the embedded AWS."
        )
    if isinstance(error, NoRegionError):
        return "No AWS region is set. Set AWS_REGION (or the profile's region) to the environment's region."
    if isinstance(error, ProfileNotFound):
        return f"{error}. AWS_PROFILE must name a profile of ~/.aws/config."
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return (
            f"Nothing answers at {where}: {error}. If that is the embedded AWS, start it with `hfsm local up`; "
            "otherwise look at AWS_ENDPOINT_URL and the network."
        )
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        code, message = details.get("Code", "Unknown"), details.get("Message", str(error))
        paragraph = f"{where} refused {error.operation_name}: {code}: {message}"
        if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired"):
            paragraph += " Sign in again."
        elif code.startswith("AccessDenied") or code == "UnauthorizedOperation":
            paragraph += " The credentials in use may not do this; use a role of this environment's operators."
        return paragraph
    return f"Talking to {where} failed: {error}"
