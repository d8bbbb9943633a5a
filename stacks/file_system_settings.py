"""File systems of the team's that training jobs may mount: who they are, how jobs reach them, and how far.

Never imports aws_cdk, see stacks/settings.py.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from hf_sagemaker.file_system import FileSystem
from stacks.network_settings import NetworkSettings
from stacks.settings_base import Name, Problem, Settings

_PATH = re.compile(r"^/[A-Za-z0-9_.+=,@:/ -]*$")
_MOUNT_NAME = re.compile(r"^/[A-Za-z0-9_-]{1,8}(/|$)")
_PRIVATE = [ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
_WIDEST = 24
"""Prefix length: a file system has a few addresses."""


class FileSystemSettings(Settings):
    """A file system of the team's, EFS or FSx for Lustre, that channels of training requests may name.

    It is not created or changed here: in the jobs' VPC it needs a mount target (EFS) or its network interfaces (FSx),
    whose security group admits the jobs. See docs/file-systems.md.
    """

    name: Name
    """By which requests name it."""
    type: Literal["EFS", "FSxLustre"]
    id: Annotated[str, Field(pattern=r"^fs-[0-9a-f]{8,18}$", description="for example fs-0a1b2c3d4e5f60718")]
    access_mode: Literal["ro", "rw"] = "ro"
    """rw: a request may ask to write, too. ro: none may."""
    directory_path: Annotated[str, Field(max_length=1024, validate_default=True)] = "/"
    """Jobs see this folder or one below it, and nothing else. Of FSx for Lustre it begins with the mount name
    (`/a1b2c3d4/corpora`), and must be said."""
    security_group_id: Annotated[
        str | None, Field(pattern=r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$", description="for example sg-0a1b2c3d")
    ] = None
    """Security group of the file system. Jobs reach its members on the file system's ports."""
    cidrs: Annotated[list[str], Field(max_length=6)] = []
    """In place of a security group: addresses of the file system, for example `[10.0.1.17/32]`."""

    @property
    def file_system(self) -> FileSystem:
        """As the constructs take it."""
        return FileSystem(
            name=self.name,
            file_system_id=self.id,
            kind=self.type,
            directory_path=self.directory_path,
            access_mode=self.access_mode,
        )

    @field_validator("directory_path")
    @classmethod
    def _sound(cls, value: str, info: ValidationInfo) -> str:
        parts = value.split("/")
        if not _PATH.match(value) or "" in parts[1:-1] or {".", ".."} & set(parts):
            raise ValueError(
                "must be an absolute path such as /corpora, of letters, digits, spaces and _.+=,@:-, without . and .. "
                "as folders"
            )
        if info.data.get("type") == "FSxLustre" and not _MOUNT_NAME.match(value):
            raise ValueError(
                "must begin with the mount name of the FSx for Lustre file system, for example /a1b2c3d4/corpora "
                "(aws fsx describe-file-systems shows LustreConfiguration.MountName)"
            )
        return value

    @field_validator("cidrs")
    @classmethod
    def _narrow(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                network = ipaddress.IPv4Network(text)
            except ValueError as error:
                raise ValueError(f"must be IPv4 ranges such as 10.0.1.17/32 ({error})") from None
            if not any(network.subnet_of(private) for private in _PRIVATE) or network.prefixlen < _WIDEST:
                raise ValueError(
                    f"must be private IPv4 ranges of /{_WIDEST} or smaller, since everything in them can be reached "
                    f"on the file system's ports, and {text} is not"
                )
        return value


def file_system_problems(file_systems: Sequence[FileSystemSettings], network: NetworkSettings) -> Iterator[Problem]:
    """What no single file system can know."""
    teams = network.vpc is not None and network.vpc.job_security_group_ids is not None
    for i, each in enumerate(file_systems):
        path = f"data.file_systems.{i}"
        for field in ("name", "id"):
            if getattr(each, field) in [getattr(other, field) for other in file_systems[:i]]:
                yield f"{path}.{field}", getattr(each, field), "must be one that no earlier file system has"
        ways = [field for field in ("security_group_id", "cidrs") if getattr(each, field)]
        if teams and ways:
            yield (
                f"{path}.{ways[0]}",
                getattr(each, ways[0]),
                "must be left out with network.vpc.job_security_group_ids: the rules of those groups are the team's",
            )
        elif not teams and len(ways) != 1:
            yield (
                f"{path}.security_group_id",
                each.security_group_id,
                "must be the security group of the file system, or cidrs must be its addresses, and not both: jobs "
                "reach nothing else on its ports",
            )
