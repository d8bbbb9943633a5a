"""Lambda entry point."""

from typing import Any

import boto3

from report_training import message, metrics, reading, tracking
from report_training.logic import Subject, make_report
from report_training.record import Record
from report_training.searches import searches
from report_training.tracking_server import TrackingServer


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Input: see `Subject`. Output: {report: its S3 URI, told: whether this call told people}.

    An event may come twice: whoever writes the report counts and tells. Where that did not get as far as telling, the
    next call does. Any error is Lambda's to try again, and then a dead letter's: the run has ended as it has.
    """
    subject = Subject.from_input(event)
    clients = {name: boto3.client(name) for name in ("logs", "s3", "sagemaker", "sns", "stepfunctions")}
    record = Record(clients["s3"], subject)
    execution, own, tuning_jobs = reading.execution(clients["stepfunctions"], subject.execution)
    found = searches(clients["sagemaker"], tuning_jobs)
    attempts = own | {name: search.redrive for search in found for name in search.names}
    jobs = reading.ended_jobs(clients["sagemaker"], list(attempts))
    # The steps of jobs that run side by side say nothing of what was lost.
    lines = reading.progress(clients["logs"], [job for job in jobs if job["TrainingJobName"] in own])
    report = make_report(subject, execution, jobs, attempts, lines, found)
    if subject.tracking_server:
        # Before the report, which says how this went. Where an event comes twice it means the same run of MLflow.
        server = TrackingServer(subject.tracking_server, boto3.Session().get_credentials())
        report["mlflow"] = tracking.log(server, report, execution, jobs, record.uri)
    report["text"] = message.text(report, record.uri)
    if record.write(report):
        # One line of the log, which CloudWatch makes metrics of: the embedded metric format.
        print(metrics.line(report))
    elif record.has_told():
        return {"report": record.uri, "told": False}
    sent = clients["sns"].publish(TopicArn=subject.topic, **message.parts(report, record.uri))
    record.write_told(report, sent["MessageId"])
    return {"report": record.uri, "told": True}
