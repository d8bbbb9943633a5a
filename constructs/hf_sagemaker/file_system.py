"""A file system that training jobs mount as a channel: EFS or FSx for Lustre, which the team has already.

Imports no CDK.
"""

from dataclasses import dataclass
from typing import Literal

_PORTS = {"EFS": ((2049, 2049),), "FSxLustre": ((988, 988), (1018, 1023))}


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """What training requests may name.

    name: in requests. file_system_id: fs-…. directory_path: a job sees this folder or one below it; of FSx for Lustre
    it begins with the mount name. Omitted: all of it. access_mode: `rw` where a request may ask to write. Omitted: none
    may.
    """

    name: str
    file_system_id: str
    kind: Literal["EFS", "FSxLustre"]
    directory_path: str = "/"
    access_mode: Literal["ro", "rw"] = "ro"

    @property
    def as_request_default(self) -> dict[str, str]:
        """As `validate_training_request.file_systems` reads it."""
        return {
            "name": self.name,
            "id": self.file_system_id,
            "type": self.kind,
            "directory_path": self.directory_path,
            "access_mode": self.access_mode,
        }

    @property
    def ports(self) -> tuple[tuple[int, int], ...]:
        """First and last TCP port of each range: NFS, or Lustre's own."""
        return _PORTS[self.kind]

    @property
    def opens_connections(self) -> bool:
        """Whether its servers also connect to their clients, on the same ports: those of Lustre do."""
        return self.kind == "FSxLustre"
