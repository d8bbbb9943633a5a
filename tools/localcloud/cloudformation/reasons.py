"""What a person reads about a resource, in the status reason of its events."""

from botocore.exceptions import BotoCoreError, ClientError
from moto.core.exceptions import ServiceException

from localcloud.cloudformation.resource import ResourceError


def of(error: Exception) -> str:
    """Why a resource failed."""
    if isinstance(error, ClientError):
        answer = error.response["Error"]
        return f"{answer.get('Message')} (Service: {error.operation_name}, Error Code: {answer.get('Code')})"
    if isinstance(error, (ResourceError, BotoCoreError, ServiceException)):
        return str(getattr(error, "message", None) or error)
    return f"{type(error).__name__}: {error}"


def left_out(properties: list[str]) -> str | None:
    """What this CloudFormation, or the API under it, does not know: nothing is left out without a trace."""
    return f"The embedded AWS does not apply: {', '.join(properties)}" if properties else None
