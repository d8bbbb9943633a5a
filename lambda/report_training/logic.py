"""The report of a training run: what happened, what it cost and saved, what to do. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from report_training.advice import what_to_do
from report_training.job import Job
from report_training.links import links
from report_training.searches import Search

LONGEST_CAUSE = 8 * 1024
"""Characters of a cause that are passed on."""
# Tokens of the Hugging Face Hub, ids of AWS keys, and what signs an address.
_SECRETS = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|(?<=X-Amz-Signature=)\w+|(?<=Token=)[\w%/+=]+"
)
_START = re.compile(r"hfsm\.start .*?resumed_from_step=(\d+)")
# As `start_training.names` makes them; a person who starts a run could give it such a name too.
_TRIGGERED = re.compile(r"(?P<trigger>[a-z][a-z0-9-]*)_(?P<kind>schedule|data|alarm|hand)_\w+")
_STEP = re.compile(r"hfsm\.(?:step|interrupted) step=(\d+)")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the rule says about the event and the environment.

    execution: ARN. status: how it ended. redrives: how often it was redriven before.
    topic: whom to tell. bucket: of the report. prices: instance type → {per_hour, as_of}, in US dollars.
    tracking_server: ARN of the MLflow tracking server that gets to know of the run. None: none does.
    """

    execution: str
    status: str
    redrives: int
    environment: str
    job_type: str
    topic: str
    bucket: str
    prices: Mapping[str, Mapping[str, Any]]
    tracking_server: str | None = None

    @classmethod
    def from_input(cls, event: Mapping[str, Any]) -> "Subject":
        """event: {execution, machine, status, redrives, environment, bucket, prices, machines, tracking_server}.

        machines: ARN of a state machine → {job_type, topic}.
        """
        return cls(
            execution=event["execution"],
            status=event["status"],
            # Empty in an event of an execution that cannot be redriven.
            redrives=int(event["redrives"] or 0),
            environment=event["environment"],
            bucket=event["bucket"],
            prices=event["prices"],
            tracking_server=event.get("tracking_server"),
            **event["machines"][event["machine"]],
        )

    @property
    def name(self) -> str:
        """Of the execution."""
        return self.execution.rsplit(":", 1)[-1]


def make_report(
    subject: Subject,
    execution: Mapping[str, Any],
    described: Sequence[Mapping[str, Any]],
    attempts: Mapping[str, int],
    lines: Sequence[str],
    searches: Sequence[Search] = (),
) -> dict[str, Any]:
    """The report, as JSON. It holds nothing that the run was given: neither input, nor hyperparameters, nor data.

    execution: DescribeExecution. described: DescribeTrainingJob of each job, in the order in which they were started.
    attempts: job → which redrive has started it. lines: what the jobs said about their steps.
    searches: its tuning jobs, whose training jobs are among those described. Omitted: it had none.
    """
    jobs = [Job(each) for each in described]
    output = _output(execution)
    best = _best_job(jobs, searches)
    chains = _chains(jobs, searches)
    cause = _cut(without_secrets(str(execution.get("cause") or "")))
    return {
        "schema_version": "1",
        "environment": subject.environment,
        "job_type": subject.job_type,
        "name": subject.name,
        "started_by": started_by(subject.name),
        "status": subject.status,
        "error": execution.get("error"),
        "cause": cause or None,
        "what_to_do": what_to_do(
            subject.status, subject.execution, jobs, *_registered(output), [each.name for each in searches]
        ),
        "execution_arn": subject.execution,
        "redrives": subject.redrives,
        "started": _text(execution.get("startDate")),
        "ended": _text(execution.get("stopDate")),
        "training_jobs": [{**job.summary(subject.prices), "redrive": attempts.get(job.name, 0)} for job in jobs],
        "tuning_jobs": [search.summary() for search in searches],
        **totals(jobs, subject.prices, chains),
        "steps_lost": steps_lost(lines),
        "metrics": best.metrics if best else {},
        "evaluation": output.get("evaluation"),
        "model_package_arn": output.get("model_package_arn"),
        "this_attempt": _attempt(subject, jobs, attempts, searches),
        "links": links(subject.execution, best.name if best else jobs[-1].name if jobs else None),
    }


def without_secrets(text: str) -> str:
    """The text, with what looks like a token taken out."""
    return _SECRETS.sub("[removed]", text)


def started_by(name: str) -> dict[str, str] | None:
    """Trigger and kind, where the execution's name is one that triggers give. None: it is not."""
    found = _TRIGGERED.fullmatch(name)
    return found.groupdict() if found else None


def _attempt(
    subject: Subject, jobs: Sequence[Job], attempts: Mapping[str, int], searches: Sequence[Search]
) -> dict[str, Any]:
    started = [job for job in jobs if attempts.get(job.name, 0) == subject.redrives]
    return totals(started, subject.prices, _chains(started, searches))


def _best_job(jobs: Sequence[Job], searches: Sequence[Search]) -> Job | None:
    """The last that reported metrics; of a search, its best."""
    best = [search.best["job"] for search in searches if search.best]
    told = [job for job in jobs if job.metrics]
    return next((job for job in reversed(told) if job.name in best[-1:]), told[-1] if told else None)


def _chains(jobs: Sequence[Job], searches: Sequence[Search]) -> list[list[Job]]:
    """Jobs that go on from each other; those of a search run side by side, each for itself."""
    children = {name for search in searches for name in search.names}
    return [[job for job in jobs if job.name not in children], *([job] for job in jobs if job.name in children)]


def totals(
    jobs: Sequence[Job], prices: Mapping[str, Mapping[str, Any]], chains: Sequence[Sequence[Job]]
) -> dict[str, Any]:
    """Of several jobs: seconds, what they cost and saved, interruptions. chains: those that go on from each other.

    {training_seconds, billable_seconds, savings_percent, interruptions, seconds_to_recover: one per interruption that
    ended, money}. Seconds are those of instances: of a job on two, twice its own. None: a job has not ended yet, and
    SageMaker does not say.
    """
    trained = [job.training_seconds for job in jobs]
    billed = [job.billable_seconds for job in jobs]
    known = None not in trained and None not in billed
    training, billable = (sum(filter(None, each)) if known else None for each in (trained, billed))
    return {
        "training_seconds": training,
        "billable_seconds": billable,
        "savings_percent": savings_percent(training, billable),
        "interruptions": sum(job.interruptions for job in jobs),
        "seconds_to_recover": [seconds for chain in chains for seconds in recoveries(chain)],
        "money": _money(jobs, prices, known=known),
    }


def savings_percent(training: float | None, billable: float | None) -> float | None:
    """What managed spot saved, as SageMaker's console computes it. None where nothing was trained, or it is unknown."""
    if not training or billable is None:
        return None
    return round(100 * (1 - billable / training), 1)


def recoveries(jobs: Sequence[Job]) -> list[float]:
    """Seconds from each interruption to the moment when training went on: in the same job, or in the next one."""
    found: list[float] = []
    since: datetime | None = None
    for job in jobs:
        for status, began in job.transitions:
            if status == "Interrupted":
                since = since or began
            elif status == "Training" and since:
                found.append(round((began - since).total_seconds(), 1))
                since = None
    return found


def steps_lost(lines: Sequence[str]) -> int | None:
    """Optimizer steps that were done twice, as far as the log shows. None: nothing was said about steps."""
    lost: int | None = None
    last: int | None = None
    for line in lines:
        if start := _START.search(line):
            resumed = int(start[1])
            lost = (lost or 0) + max(0, (last if last is not None else resumed) - resumed)
            last = resumed
        elif step := _STEP.search(line):
            last = int(step[1])
    return lost


def _money(jobs: Sequence[Job], prices: Mapping[str, Mapping[str, Any]], *, known: bool) -> dict[str, Any]:
    """{currency, cost, without_spot, saved, prices_as_of}, or {why_none}."""
    if not known:
        return {"why_none": "a training job has not ended yet, so SageMaker does not say what is billed"}
    unknown = sorted({name for job in jobs for name in job.instance_types if name not in prices})
    if unknown:
        return {
            "why_none": f"no price is known for {', '.join(unknown)} in this region: add it to prices.per_hour in the "
            "environment's settings"
        }
    cost = sum(job.money(job.billable_seconds, prices) for job in jobs)
    without_spot = sum(job.money(job.training_seconds, prices) for job in jobs)
    days = {str(prices[name]["as_of"]) for job in jobs for name in job.instance_types}
    return {
        "currency": "USD",
        "cost": round(cost, 4),
        "without_spot": round(without_spot, 4),
        "saved": round(without_spot - cost, 4),
        "prices_as_of": min(days) if days else None,
    }


def _output(execution: Mapping[str, Any]) -> dict[str, Any]:
    output = json.loads(execution.get("output") or "{}")
    return output if isinstance(output, dict) else {}


def _registered(output: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The model package, and its approval."""
    return output.get("model_package_arn"), output.get("model_approval_status")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CAUSE else text[: LONGEST_CAUSE - 1] + "…"


def _text(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None
