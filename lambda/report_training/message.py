"""The message to people, in plain sentences; to queues, functions and web hooks the report itself."""

import json
from typing import Any

_MACHINES = ("http", "https", "lambda", "sqs")
_ENDS = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "took too long and was ended",
    "ABORTED": "was stopped",
}
_KINDS = {"schedule": "its time had come", "data": "new data", "alarm": "an alarm", "hand": "by hand"}
_LONGEST_SUBJECT = 99
"""Characters, ASCII only, that SNS takes."""


def parts(report: dict[str, Any], uri: str) -> dict[str, str]:
    """Arguments of SNS's Publish. report: with its `text`. uri: where it lies."""
    subject = f"Training {report['name']} {_ENDS[report['status']]}"
    # Sentences once, and characters as they are: all of it together may have 256 KiB.
    document = json.dumps({**report, "text": None, "report": uri}, ensure_ascii=False)
    said = {"default": report["text"], **dict.fromkeys(_MACHINES, document)}
    return {
        "Subject": subject.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT],
        "MessageStructure": "json",
        "Message": json.dumps(said, ensure_ascii=False),
    }


def text(report: dict[str, Any], uri: str) -> str:
    """Outcome, cause, what to do, cost, where to look."""
    paragraphs = [
        f"Training run {report['name']} ({report['job_type']} in {report['environment']}) {_ENDS[report['status']]}."
        f"{_started_by(report)}",
        _why(report),
        _judged(report),
        f"What to do: {report['what_to_do']}",
        _cost(report),
        _interruptions(report),
        _tracked(report),
        "\n".join([*(f"{name}: {url}" for name, url in report["links"].items()), f"report: {uri}"]),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _started_by(report: dict[str, Any]) -> str:
    by = report["started_by"]
    return f" The trigger {by['trigger']} has started it ({_KINDS[by['kind']]})." if by else ""


def _why(report: dict[str, Any]) -> str:
    return ": ".join(part for part in (report["error"], report["cause"]) if part)


def _judged(report: dict[str, Any]) -> str:
    judged = report["evaluation"]
    if judged:
        return f"{judged['metric']} is {judged['value']}; at least {judged['minimum']} was asked for."
    return (
        "Last metrics: " + ", ".join(f"{k} = {v:.4g}" for k, v in report["metrics"].items()) + "."
        if report["metrics"]
        else ""
    )


def _cost(report: dict[str, Any]) -> str:
    if not report["training_jobs"]:
        return ""
    money = report["money"]
    if report["training_seconds"] is None:
        return f"Cost: not known, since {money['why_none']}."
    searched = "".join(
        f"Tuning job {each['name']} ran {each['training_jobs']} training jobs"
        + (
            f"; the best was {each['best']['job']}, with {each['best']['objective']} = {each['best']['value']:.4g}. "
            if each["best"]
            else ". "
        )
        for each in report["tuning_jobs"]
    )
    kinds = sorted({("spot" if job["spot"] else "on demand") for job in report["training_jobs"]}, reverse=True)
    seconds = (
        f"{searched}Trained {report['training_seconds']:.0f} s on {', then '.join(kinds)}, "
        f"billed {report['billable_seconds']:.0f} s"
    )
    saved = f", saved {report['savings_percent']} %" if report["savings_percent"] is not None else ""
    if "why_none" in money:
        return f"{seconds}{saved}. In money: {money['why_none']}."
    return (
        f"{seconds}{saved}. Cost: {money['cost']:.2f} {money['currency']} in place of {money['without_spot']:.2f} on "
        f"demand, so {money['saved']:.2f} saved (prices of {money['prices_as_of']})."
    )


def _interruptions(report: dict[str, Any]) -> str:
    if not report["interruptions"]:
        return ""
    count = report["interruptions"]
    found = f"The spot instances were taken away {'once' if count == 1 else f'{count} times'}"
    if report["seconds_to_recover"]:
        found += "; training went on after " + ", ".join(f"{seconds:.0f} s" for seconds in report["seconds_to_recover"])
    if report["steps_lost"] is not None:
        found += f"; {report['steps_lost']} steps were done twice"
    return f"{found}."


def _tracked(report: dict[str, Any]) -> str:
    """How MLflow got to know of the run, where it is to."""
    mlflow = report.get("mlflow")
    if not mlflow:
        return ""
    if "problem" in mlflow:
        return f"MLflow does not have all of this run (experiment {mlflow['experiment']}): {mlflow['problem']}"
    return f"MLflow: run {mlflow['run_id']} of experiment {mlflow['experiment']}."
