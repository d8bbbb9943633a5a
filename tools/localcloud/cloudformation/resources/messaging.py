"""SNS topics, their policies and subscriptions."""

import json
from typing import Any

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType, delete_if_there

# Properties that are attributes of a topic, by their API name.
ATTRIBUTES = (
    "DisplayName",
    "KmsMasterKeyId",
    "SignatureVersion",
    "TracingConfig",
    "FifoTopic",
    "ContentBasedDeduplication",
)
SUBSCRIBED = ("DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")
"""Properties that are attributes of a subscription, by their API name."""


class Topic(ResourceType):
    type_name = "AWS::SNS::Topic"
    replaced_by = frozenset({"TopicName", "FifoTopic"})

    def create(self, request: Request) -> Deployed:
        name = request.name("TopicName", longest=256)
        attributes = {key: _text(request.properties[key]) for key in ATTRIBUTES if key in request.properties}
        arn = request.api("sns").create_topic(Name=name, Attributes=attributes, Tags=request.tags())["TopicArn"]
        deployed = Deployed(arn, {"TopicArn": arn, "TopicName": name})
        request.exists(deployed)
        self._subscribe(request, arn, {})
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        sns, arn = request.api("sns"), deployed.physical_id
        for key in ATTRIBUTES:
            if request.properties.get(key) != before.get(key):
                value = _text(request.properties.get(key, ""))
                sns.set_topic_attributes(TopicArn=arn, AttributeName=key, AttributeValue=value)
        self._subscribe(request, arn, before)
        if request.tags():
            sns.tag_resource(ResourceArn=arn, Tags=request.tags())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("sns").delete_topic, TopicArn=deployed.physical_id)

    def _subscribe(self, request: Request, arn: str, before: Properties) -> None:
        for subscription in request.properties.get("Subscription", []):
            if subscription not in before.get("Subscription", []):
                request.api("sns").subscribe(
                    TopicArn=arn, Protocol=subscription["Protocol"], Endpoint=subscription["Endpoint"]
                )


class TopicPolicy(ResourceType):
    type_name = "AWS::SNS::TopicPolicy"

    def create(self, request: Request) -> Deployed:
        policy = json.dumps(request.properties["PolicyDocument"])
        for topic in request.properties["Topics"]:
            request.api("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
        name = request.name("", longest=128)
        return Deployed(name, {"Id": name})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._forget(request, sorted(set(before["Topics"]) - set(request.properties["Topics"])))
        self.create(request)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        self._forget(request, request.properties["Topics"])

    def _forget(self, request: Request, topics: list[str]) -> None:
        for topic in topics:
            # As on AWS, a topic without a policy of its own is its account's.
            owner = {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": "*"},
                        "Action": ["SNS:Publish", "SNS:Subscribe"],
                        "Resource": topic,
                        "Condition": {"StringEquals": {"AWS:SourceOwner": request.api.account}},
                    }
                ],
            }
            delete_if_there(
                request.api("sns").set_topic_attributes,
                TopicArn=topic,
                AttributeName="Policy",
                AttributeValue=json.dumps(owner),
            )


class Subscription(ResourceType):
    """Region: where the topic is, if elsewhere."""

    type_name = "AWS::SNS::Subscription"
    replaced_by = frozenset({"Endpoint", "Protocol", "TopicArn", "Region"})

    def create(self, request: Request) -> Deployed:
        given = request.properties
        attributes = {name: _attribute(given[name]) for name in SUBSCRIBED if name in given}
        arn = self._sns(request).subscribe(
            TopicArn=given["TopicArn"],
            Protocol=given["Protocol"],
            Endpoint=given.get("Endpoint", ""),
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return Deployed(arn, {"Arn": arn})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        for name in SUBSCRIBED:
            if request.properties.get(name) != before.get(name):
                self._sns(request).set_subscription_attributes(
                    SubscriptionArn=deployed.physical_id,
                    AttributeName=name,
                    AttributeValue=_attribute(request.properties.get(name, "")),
                )
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(self._sns(request).unsubscribe, SubscriptionArn=deployed.physical_id)

    def _sns(self, request: Request) -> Any:
        region = request.properties.get("Region") or request.api.region
        return (request.api if region == request.api.region else request.api.in_region(region))("sns")


def _attribute(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else _text(value)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


TYPES = (Topic, TopicPolicy, Subscription)
