"""Amazon SQS: queues and their policies."""

import json
from typing import Any

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType, delete_if_there

# Properties that are attributes of a queue, and what each is where a template does not set it.
ATTRIBUTES = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "DelaySeconds": "0",
    "FifoQueue": "false",
    "FifoThroughputLimit": "perQueue",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "262144",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "RedriveAllowPolicy": "",
    "RedrivePolicy": "",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}


class Queue(ResourceType):
    """`Ref` answers the queue's address."""

    type_name = "AWS::SQS::Queue"
    replaced_by = frozenset({"QueueName", "FifoQueue"})

    def create(self, request: Request) -> Deployed:
        name, sqs = request.name("QueueName", longest=80), request.api("sqs")
        attributes = {key: _text(request.properties[key]) for key in ATTRIBUTES if key in request.properties}
        url = sqs.create_queue(QueueName=name, Attributes=attributes, tags=request.tag_map())["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return Deployed(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        sqs, url, now = request.api("sqs"), deployed.physical_id, request.properties
        changed = {
            key: _text(now.get(key, default)) for key, default in ATTRIBUTES.items() if now.get(key) != before.get(key)
        }
        if changed:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
        if request.tag_map():
            sqs.tag_queue(QueueUrl=url, Tags=request.tag_map())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("sqs").delete_queue, QueueUrl=deployed.physical_id)


class QueuePolicy(ResourceType):
    type_name = "AWS::SQS::QueuePolicy"

    def create(self, request: Request) -> Deployed:
        self._put(request, request.properties["Queues"], json.dumps(request.properties["PolicyDocument"]))
        name = request.name("")
        return Deployed(name, {"Id": name})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._put(request, [queue for queue in before["Queues"] if queue not in request.properties["Queues"]], "")
        self._put(request, request.properties["Queues"], json.dumps(request.properties["PolicyDocument"]))
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        self._put(request, request.properties["Queues"], "")

    def _put(self, request: Request, queues: list[str], policy: str) -> None:
        """An empty policy takes it away."""
        for queue in queues:
            call = request.api("sqs").set_queue_attributes
            delete_if_there(call, QueueUrl=queue, Attributes={"Policy": policy})


def _text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


TYPES = (Queue, QueuePolicy)
