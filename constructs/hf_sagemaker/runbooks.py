"""Where alarms and dashboards send people at night. Imports no CDK."""

from typing import Literal

Runbook = Literal[
    "client-faults",
    "server-faults",
    "latency",
    "model-errors",
    "gpu-memory",
    "disk",
    "backlog",
    "no-capacity",
    "rolled-back",
    "budget",
    "anomaly",
]
"""A section of docs/runbooks.md."""


def see(*runbooks: Runbook) -> str:
    """A sentence for an alarm's description: where to read what to do."""
    return "What to do: " + ", ".join(f"docs/runbooks.md#{each}" for each in runbooks)
