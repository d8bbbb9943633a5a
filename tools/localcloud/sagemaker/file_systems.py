"""File systems that jobs mount: folders of this machine, each below `file-systems/<id>/` of the embedded AWS's own.

On AWS a file system is there already when a job names it, and so it is here: whoever makes the folder makes the file
system. Its paths are as `DirectoryPath` says them; those of FSx for Lustre begin with the folder of the mount name.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from localcloud.sagemaker.s3 import NoSuchDataError

_NO_WAY = {
    "EFS": "Please ensure that mount target IP address of file system is reachable and the security groups you "
    "associate with file system must allow inbound access on NFS port.",
    "FSxLustre": "Please ensure that the security groups you associate with file system allow inbound access on the "
    "ports of Lustre.",
}


def mount(source: dict[str, Any], file_systems: Path, folder: Path) -> None:
    """Makes `folder` what a channel's `FileSystemDataSource` names. NoSuchDataError: in SageMaker's own words.

    file_systems: folder with one folder per id. `rw` shows the files themselves, to every instance of every job. `ro`
    shows a copy that nobody may write; only root, whom file modes do not stop, may, and what it writes there is lost.
    """
    identifier, path = source["FileSystemId"], source["DirectoryPath"]
    failed = f"Unable to mount file system: {identifier}, directory path: {path}."
    root = (file_systems / identifier).resolve()
    if not root.is_dir():
        raise NoSuchDataError(f"{failed} File system connection timed out. {_NO_WAY[source['FileSystemType']]}")
    shown = (root / path.lstrip("/")).resolve()
    if not shown.is_relative_to(root) or not shown.is_dir():
        raise NoSuchDataError(
            f"{failed} Incorrect mount path. Please ensure the mount path specified exists on the filesystem."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    if source["FileSystemAccessMode"] == "rw":
        folder.symlink_to(shown, target_is_directory=True)
        return
    shutil.copytree(shown, folder, symlinks=True)
    for path_of, _, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(path_of, name)
            if not file.is_symlink():
                file.chmod(0o444)
        Path(path_of).chmod(0o555)
