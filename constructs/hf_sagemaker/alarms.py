"""Alarms that people hear: what lets them publish, and one on the letters that reached nobody."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from hf_sagemaker.place import place_of


def let_alarms_publish(topic: sns.Topic) -> None:
    """Admits this account's alarms. The policy that demands TLS replaces the topic's default one, which did."""
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": place_of(topic).account}},
        )
    )


def tell_of_letters(
    scope: Construct, construct_id: str, *, queue: sqs.Queue, description: str, topics: Sequence[sns.ITopic]
) -> None:
    """An alarm, in `scope`, that goes off as soon as something lies in a queue of dead letters.

    description: what then lies there. topics: are told; they must let alarms publish.
    """
    alarm = queue.metric_approximate_number_of_messages_visible(
        statistic="Maximum", period=Duration.minutes(5)
    ).create_alarm(
        scope,
        construct_id,
        alarm_description=description,
        threshold=1,
        evaluation_periods=1,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    for topic in topics:
        alarm.add_alarm_action(actions.SnsAction(topic))
