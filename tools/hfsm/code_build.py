"""One build of a CodeBuild project: start it or find it, read what it says, know how it ended."""

import time
from collections.abc import Mapping
from typing import Any

from hfsm.cloud import Cloud
from hfsm.training_log import LogTail


class CodeBuild:
    """A build that was started. seconds: how long it took; None until a look has seen that it succeeded."""

    def __init__(self, cloud: Cloud, record: dict[str, Any]) -> None:
        """record: as CodeBuild describes it."""
        self._cloud = cloud
        self.id: str = record["id"]
        self.seconds: float | None = None
        self._state = record
        self._started = time.monotonic()
        self._tail: LogTail | None = None

    @classmethod
    def start(cls, cloud: Cloud, project: str, variables: Mapping[str, str] | None = None) -> "CodeBuild":
        """Starts one. variables: environment variables of this build only. Omitted: none."""
        overrides = [{"name": name, "value": value} for name, value in (variables or {}).items()]
        arguments: dict[str, Any] = {"environmentVariablesOverride": overrides} if overrides else {}
        return cls(cloud, cloud.client("codebuild").start_build(projectName=project, **arguments)["build"])

    @classmethod
    def newest(cls, cloud: Cloud, project: str) -> "CodeBuild | None":
        """The one that was started last, whoever did it."""
        client = cloud.client("codebuild")
        ids = client.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"][:1]
        return cls(cloud, client.batch_get_builds(ids=ids)["builds"][0]) if ids else None

    def variable(self, name: str) -> str | None:
        """An environment variable that it was started with."""
        variables = self._state.get("environment", {}).get("environmentVariables", [])
        return next((each["value"] for each in variables if each["name"] == name), None)

    def look(self) -> list[str]:
        """What it has logged since the last look; then `has_ended`, `has_succeeded` and `seconds` are of now."""
        self._state = self._cloud.client("codebuild").batch_get_builds(ids=[self.id])["builds"][0]
        location = self._location
        if self._tail is None and location.get("groupName") and location.get("streamName"):
            self._tail = LogTail(self._cloud.client("logs"), location["groupName"], location["streamName"])
        if self.has_succeeded:
            self.seconds = self._duration() or time.monotonic() - self._started
        return self._tail.new_lines() if self._tail else []

    @property
    def has_ended(self) -> bool:
        return bool(self._state["buildStatus"] != "IN_PROGRESS")

    @property
    def has_succeeded(self) -> bool:
        return bool(self._state["buildStatus"] == "SUCCEEDED")

    @property
    def failure(self) -> str:
        """`failed: <phase>: <what CodeBuild says of it>. Its log: …`"""
        messages = [
            f"{phase['phaseType']}: {context['message']}"
            for phase in self._state.get("phases", [])
            for context in phase.get("contexts", [])
            if context.get("message") and phase.get("phaseStatus") not in (None, "SUCCEEDED")
        ]
        where = f" Its log: {self._location['groupName']}, stream {self._location['streamName']}." if self._tail else ""
        return f"{self._state['buildStatus'].lower()}: {'; '.join(messages) or 'its log says why.'}{where}"

    @property
    def _location(self) -> dict[str, Any]:
        logs: dict[str, Any] = self._state.get("logs", {})
        return logs

    def _duration(self) -> float | None:
        if "startTime" in self._state and "endTime" in self._state:
            return round(float((self._state["endTime"] - self._state["startTime"]).total_seconds()), 3)
        return None
