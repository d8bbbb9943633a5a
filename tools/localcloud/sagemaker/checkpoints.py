"""The copy of /opt/ml/checkpoints that SageMaker keeps in S3 while a job runs."""

import logging
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from localcloud.faults import Uploads
from localcloud.sagemaker.s3 import encryption, split_uri

INTERVAL = 1.0  # seconds between two looks at the folder

_logger = logging.getLogger(__name__)

Stamp = tuple[int, int]  # size in bytes, time of the last change in nanoseconds


class CheckpointSync:
    """Copies files from a folder to S3 as they appear, in a thread of its own.

    A file goes up once two looks in a row have seen it unchanged, so that one being written is left alone. Nothing is
    ever deleted in S3, whatever happens to the files. finish() copies all that is left and ends the thread.

    kms_key: encrypts the copies. None: the bucket's own.
    """

    def __init__(self, s3: Any, folder: Path, uri: str, kms_key: str | None = None) -> None:
        self._s3 = s3
        self._folder = folder
        self._encryption = encryption(kms_key)
        self._bucket, self._prefix = split_uri(uri)
        self._seen: dict[Path, Stamp] = {}
        self._uploaded: dict[Path, Stamp] = self._scan()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoint-sync", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hold(self) -> None:
        """From now on nothing is copied before finish()."""
        self._done.set()

    def finish(self, uploads: Uploads = "all") -> None:
        """uploads: less than everything is a fault that was ordered."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        self.look(everything=True, skipped=self._prepare_loss(uploads))

    def look(self, *, everything: bool = False, skipped: Collection[Path] = ()) -> list[Path]:
        """One pass; returns what was uploaded. everything: files that may still be changing, too, except `skipped`."""
        now = self._scan()
        ready = [
            path
            for path, stamp in now.items()
            if self._uploaded.get(path) != stamp
            and path not in skipped
            and (everything or self._seen.get(path) == stamp)
        ]
        self._seen = now
        uploaded = []
        for path in sorted(ready):
            try:
                self._s3.upload_file(
                    str(self._folder / path), self._bucket, self._key(path), ExtraArgs=self._encryption
                )
            except FileNotFoundError:
                continue  # the script has just removed it
            self._uploaded[path] = now[path]
            uploaded.append(path)
        return uploaded

    def _prepare_loss(self, uploads: Uploads) -> set[Path]:
        """Files of the newest checkpoint that do not arrive."""
        now = self._scan()
        folders = {path.parts[0]: now[path][1] for path in sorted(now, key=lambda path: now[path][1]) if path.parts[1:]}
        newest = sorted(
            path for path in now if folders and path.parts[0] == max(folders, key=lambda name: folders[name])
        )
        if uploads == "begun":
            return set(newest[1:])
        if uploads == "truncated" and newest:
            largest = max(newest, key=lambda path: now[path][0])
            half = (self._folder / largest).read_bytes()[: now[largest][0] // 2]
            self._s3.put_object(Bucket=self._bucket, Key=self._key(largest), Body=half, **self._encryption)
            return {largest}
        return set()

    def _key(self, path: Path) -> str:
        return "/".join(part for part in (self._prefix.rstrip("/"), path.as_posix()) if part)

    def _scan(self) -> dict[Path, Stamp]:
        stamps = {}
        for path in self._folder.rglob("*"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if path.is_file():
                stamps[path.relative_to(self._folder)] = (status.st_size, status.st_mtime_ns)
        return stamps

    def _run(self) -> None:
        while not self._done.wait(INTERVAL):
            try:
                self.look()
            except Exception:  # the next look tries again; finish() reports what stays wrong
                _logger.warning("checkpoints in %s could not be copied", self._folder, exc_info=True)
