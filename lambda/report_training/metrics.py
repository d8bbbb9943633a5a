"""The report as CloudWatch metrics, in the embedded metric format: a line of the function's log."""

import json
import time
from typing import Any

NAMESPACE = "HfSageMaker/Training"
_UNITS = {
    "Runs": "Count",
    "Failures": "Count",
    "TrainingSeconds": "Seconds",
    "BillableSeconds": "Seconds",
    "SavingsPercent": "Percent",
    "CostUSD": "None",
    "SavedUSD": "None",
    "Interruptions": "Count",
    "SecondsToRecover": "Seconds",
    "StepsLost": "Count",
}


def line(report: dict[str, Any]) -> str:
    """JSON in one line. Only what this attempt of the run adds: a redrive counts no job again. What is unknown is left
    out: a 0 would be a lie."""
    attempt = report["this_attempt"]
    values = {
        "Runs": 1,
        "Failures": int(report["status"] != "SUCCEEDED"),
        "TrainingSeconds": attempt["training_seconds"],
        "BillableSeconds": attempt["billable_seconds"],
        "SavingsPercent": attempt["savings_percent"],
        "CostUSD": attempt["money"].get("cost"),
        "SavedUSD": attempt["money"].get("saved"),
        "Interruptions": attempt["interruptions"],
        # The format takes at most 100 values.
        "SecondsToRecover": attempt["seconds_to_recover"][:100] or None,
        "StepsLost": report["steps_lost"],
    }
    known = {name: value for name, value in values.items() if value is not None}
    return json.dumps(
        {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [["Environment", "JobType"]],
                        "Metrics": [{"Name": name, "Unit": _UNITS[name]} for name in known],
                    }
                ],
            },
            "Environment": report["environment"],
            "JobType": report["job_type"],
            # For whoever reads the log; no dimension.
            "Run": report["name"],
            **known,
        }
    )
