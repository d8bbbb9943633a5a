"""What a training script says about itself, and how to read it while it runs."""

import re
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

TRAINING_JOBS_GROUP = "/aws/sagemaker/TrainingJobs"
_RECORD = re.compile(r"hfsm\.(\w+)((?: \w+=\S+)+)")


@dataclass
class TrainingProgress:
    """What the log lines said so far. Steps are optimizer steps.

    resumed_from: the step at which each run of the script began, 0 for a fresh start. interruptions: the step
    at which each SIGTERM found it. result: the values of the last `hfsm.result` line.
    """

    total_steps: int | None = None
    save_steps: int | None = None
    step: int = 0
    loss: float | None = None
    resumed_from: list[int] = field(default_factory=list)
    interruptions: list[int] = field(default_factory=list)
    result: dict[str, float] = field(default_factory=dict)

    def read(self, line: str) -> bool:
        """Take in one log line. False where it holds nothing of the script's own reporting."""
        match = _RECORD.search(line)
        if match is None:
            return False
        values = dict(pair.split("=", 1) for pair in match[2].split())
        try:
            self._take(match[1], values)
        except (KeyError, ValueError):
            # A script of the team's own may write such a line with other fields; its log is still shown.
            return False
        return True

    def _take(self, kind: str, values: dict[str, str]) -> None:
        if kind == "start":
            self.resumed_from.append(int(values["resumed_from_step"]))
            self.total_steps = int(values["total_steps"])
            self.save_steps = int(values["save_steps"])
            self.step = self.resumed_from[-1]
        elif kind == "step":
            self.step, self.loss = int(values["step"]), float(values["loss"])
        elif kind == "interrupted":
            self.interruptions.append(int(values["step"]))
        elif kind == "result":
            self.result = {name: float(value) for name, value in values.items()}

    @property
    def sentence(self) -> str:
        """`step 120 of 300, loss 0.5123`, or nothing before the first step."""
        if self.total_steps is None:
            return ""
        loss = f", loss {self.loss:.4f}" if self.loss is not None else ""
        return f"step {self.step} of {self.total_steps}{loss}"


class LogTail:
    """The new lines of every stream of a CloudWatch Logs group whose name begins with `prefix`.

    A training job that was interrupted begins a new stream; all of them are read, in the order of their
    names, which end in their start time.
    """

    def __init__(self, logs: Any, group: str, prefix: str) -> None:
        self._logs = logs
        self._group = group
        self._prefix = prefix
        self._tokens: dict[str, str] = {}

    def new_lines(self) -> list[str]:
        """What was written since the last call; nothing while the group or its streams do not exist yet."""
        try:
            found = self._logs.describe_log_streams(logGroupName=self._group, logStreamNamePrefix=self._prefix)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ResourceNotFoundException":
                return []
            raise
        lines: list[str] = []
        for name in sorted(stream["logStreamName"] for stream in found["logStreams"]):
            lines += self._read(name)
        return lines

    def _read(self, stream: str) -> list[str]:
        lines: list[str] = []
        while True:
            token = self._tokens.get(stream)
            arguments = {"nextToken": token} if token else {}
            page = self._logs.get_log_events(
                logGroupName=self._group, logStreamName=stream, startFromHead=True, **arguments
            )
            self._tokens[stream] = page["nextForwardToken"]
            lines += [event["message"].rstrip("\n") for event in page["events"]]
            if not page["events"] or page["nextForwardToken"] == token:
                return lines
