"""Copies a model's files within S3: no byte of them comes through the function."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from boto3.s3.transfer import TransferConfig

from package_model.model_files import File, Model, listing

COPIES_AT_ONCE = 8
"""Files; of large ones, so many parts of each besides."""
SECONDS_FOR_THE_ANSWER = 30
_PART = 256 * 2**20


class OutOfTime(RuntimeError):  # noqa: N818 (the name is what people see in the stack's events)
    """The function would be stopped before everything is done."""


def assert_time(milliseconds_left: Callable[[], int], otherwise: str) -> None:
    """Raises OutOfTime with this text while there is still time to say so."""
    if milliseconds_left() < 1000 * SECONDS_FOR_THE_ANSWER:
        raise OutOfTime(otherwise)


def copy_files(
    s3: Any, model: Model, files: Sequence[File], bucket: str, prefix: str, milliseconds_left: Callable[[], int]
) -> None:
    """Copies what is not there yet. The prefix stands for these very files: what lies there is one of them, whole.

    Raises OutOfTime; what was copied stays.
    """
    there = listing(s3, bucket, prefix)
    settings = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=COPIES_AT_ONCE)

    def copy(file: File) -> None:
        assert_time(
            milliseconds_left,
            f"not every file of {model.name} was copied in a function's time. What was, stays: deploy again, and the "
            "rest is",
        )
        source = {"Bucket": model.bucket, "Key": model.key + file.path}
        # Tags are the source's owner's, and to read them would take one permission more.
        arguments = {"TaggingDirective": "REPLACE"}
        if not model.manifest:  # else the identity is the mirror's, of files that never change
            arguments["CopySourceIfMatch"] = file.identity
        s3.copy(source, bucket, prefix + file.path, ExtraArgs=arguments, Config=settings)

    missing = [file for file in files if file.path not in there or there[file.path]["Size"] != file.size]
    with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
        for _ in pool.map(copy, missing):
            pass
