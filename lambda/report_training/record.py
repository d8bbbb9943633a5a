"""The report in S3, which also says whether people were told."""

import json
from typing import Any

from botocore.exceptions import ClientError

from report_training.logic import Subject


class Record:
    """One object: `reports/<job type>/<execution>.json`, of a redriven execution `…-redrive-<n>.json`.

    uri: where it is. It is encrypted as its bucket encrypts everything.
    """

    def __init__(self, s3: Any, subject: Subject) -> None:
        again = f"-redrive-{subject.redrives}" if subject.redrives else ""
        self._s3 = s3
        self._place = {"Bucket": subject.bucket, "Key": f"reports/{subject.job_type}/{subject.name}{again}.json"}
        self.uri = f"s3://{self._place['Bucket']}/{self._place['Key']}"

    def write(self, report: dict[str, Any]) -> bool:
        """False: there is one already, which stays as it is."""
        try:
            self._put(report, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] == "PreconditionFailed":
                return False
            raise
        return True

    def has_told(self) -> bool:
        """Whether the report that is there says that people were told."""
        return bool(json.load(self._s3.get_object(**self._place)["Body"]).get("message_id"))

    def write_told(self, report: dict[str, Any], message_id: str) -> None:
        """Notes that people were told."""
        self._put({**report, "message_id": message_id})

    def _put(self, report: dict[str, Any], **condition: str) -> None:
        body = json.dumps(report, indent=2).encode()
        self._s3.put_object(**self._place, Body=body, ContentType="application/json", **condition)
