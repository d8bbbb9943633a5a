"""What a resource type is to the deployment: three operations, done through the AWS API as CloudFormation does them."""

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud import clients
from localcloud.cloudformation.api_shapes import accepted, member_names

Properties = dict[str, Any]
SUFFIX = string.ascii_uppercase + string.digits
NOTHING: tuple[Any, ...] = (None, "", [], {})

_CONFIG = Config(
    max_pool_connections=clients.MOST_CONNECTIONS, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
)


@dataclass(frozen=True)
class Deployed:
    """A resource that exists. physical_id: what `Ref` answers; attributes: what `Fn::GetAtt` answers."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


class WatchedProperties(dict[str, Any]):
    """Properties that know which of them a resource type has read, so that none is left out without a trace.

    lost: members inside them, by path, that no API call took.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        super().__init__(properties)
        self.read: set[str] = set()
        self.lost: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def not_applied(self, before: Mapping[str, Any] | None = None) -> list[str]:
        """What is set and was not read. before: an update's, in which only what has changed counts."""
        changed = {name: value for name, value in self.items() if before is None or before.get(name) != value}
        unread = {name for name, value in changed.items() if name not in self.read and value not in NOTHING}
        unchanged = set(self) - set(changed)
        return sorted(unread | {path for path in self.lost if path.split(".")[0] not in unchanged})


def made_up_name(stack_name: str, logical_id: str, *, longest: int = 128) -> str:
    """Stack, logical id and a random end, as CloudFormation names what has no name."""
    end = "-" + "".join(secrets.choice(SUFFIX) for _ in range(12))
    return f"{stack_name}-{logical_id}"[: longest - len(end)].rstrip("-") + end


class AwsApi:
    """boto3 clients of one region of this embedded AWS."""

    def __init__(self, endpoint_url: str, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self._endpoint_url = endpoint_url

    def in_region(self, region: str) -> "AwsApi":
        """The same account's, in another region."""
        return AwsApi(self._endpoint_url, self.account, region)

    def __call__(self, service: str) -> Any:
        return clients.client(self._endpoint_url, self.account, self.region, service, _CONFIG)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One resource of one deployment, with its properties evaluated.

    stack_tags: the stack's own, which CloudFormation gives to every resource that takes tags.
    exists: to be called as soon as something exists that a failure afterwards would leave behind.
    """

    api: AwsApi
    stack_id: str
    stack_name: str
    logical_id: str
    properties: WatchedProperties
    stack_tags: Mapping[str, str]
    exists: Callable[[Deployed], None]

    def name(self, property_name: str, *, longest: int = 128, lower: bool = False) -> str:
        """The name that the template gives, or one made of stack, logical id and a random end, as AWS makes it."""
        given = self.properties.get(property_name)
        if given:
            return str(given)
        made_up = made_up_name(self.stack_name, self.logical_id, longest=longest)
        return made_up.lower() if lower else made_up

    def tags(self) -> list[dict[str, str]]:
        """Tags of the resource and its stack, as `Key` and `Value`."""
        own = self.properties.get("Tags", [])
        own = [{"Key": k, "Value": v} for k, v in own.items()] if isinstance(own, dict) else own
        merged = dict(self.stack_tags) | {tag["Key"]: tag["Value"] for tag in own}
        return [{"Key": key, "Value": value} for key, value in merged.items()]

    def tag_map(self) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self.tags()}

    def arguments(self, service: str, operation: str, **own: Any) -> dict[str, Any]:
        """Properties that `operation` of `service` accepts, as it spells them, and `own` in place of theirs."""
        client = self.api(service)
        known = member_names(client, operation)
        self.properties.read.update(name for name in self.properties if name.lower() in known)
        given = {name: value for name, value in self.properties.items() if name not in own}
        return accepted(client, operation, given, self.properties.lost) | accepted(client, operation, own)


class ResourceType(ABC):
    """create, update and delete of one resource type. An error of the AWS API fails the resource.

    replaced_by: properties whose change makes CloudFormation replace the resource, from its reference pages.
    read_by_deletion: properties that nothing needs to know before.
    replaces_itself: an update may answer another physical id; then the one from before is to be deleted.
    """

    type_name: ClassVar[str]
    replaced_by: ClassVar[frozenset[str]] = frozenset()
    read_by_deletion: ClassVar[frozenset[str]] = frozenset()
    replaces_itself: ClassVar[bool] = False

    def left_out(self, request: Request, before: Properties | None = None) -> list[str]:
        """Properties that neither creation nor, with `before`, an update has applied."""
        known = self.read_by_deletion | (self.replaced_by if before else frozenset())
        return [name for name in request.properties.not_applied(before) if name not in known]

    def must_replace(self, before: Properties, after: Properties) -> bool:
        return any(before.get(name) != after.get(name) for name in self.replaced_by)

    @abstractmethod
    def create(self, request: Request) -> Deployed: ...

    @abstractmethod
    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        """Change in place what is not in `replaced_by`. before: the properties as they were."""

    @abstractmethod
    def delete(self, request: Request, deployed: Deployed) -> None: ...


class ResourceError(Exception):
    """A resource could not be created, updated or deleted; the text is its status reason."""


class ImmutableResource(ResourceType):
    """A type of which every change is a replacement."""

    def must_replace(self, before: Properties, after: Properties) -> bool:
        return before != after

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return deployed


MISSING = ("NoSuch", "NotFound", "ResourceNotFound", "DoesNotExist", "Could not find", "does not exist")


def delete_if_there(call: Callable[..., Any], **arguments: Any) -> None:
    """Call it; that the thing is gone already is success, as for CloudFormation."""
    try:
        call(**arguments)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if not any(word in code or word in message for word in MISSING):
            raise


def without_tags(before: Iterable[dict[str, str]], after: Iterable[dict[str, str]]) -> list[str]:
    """Keys of the tags that are gone."""
    return sorted({tag["Key"] for tag in before} - {tag["Key"] for tag in after})
