"""Where what a rule's target or a function did not take is kept, and people are told of it."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

REASON = "The queue is itself the dead letter queue, of rules' targets: the packs look for those of queues only. "
QUEUE_RULE = "Serverless::Serverless-SQSRedrivePolicy"
RULES = ("AwsSolutions::AwsSolutions-SQS3", QUEUE_RULE)
"""What reviews ask of the queue, and the answer: to be acknowledged by whoever makes it."""


def dead_letters(scope: Construct, key: kms.IKey) -> sqs.Queue:
    """The queue, as `DeadLetters` of `scope`; it keeps letters for 14 days.

    key: encrypts it; its policy must let events.amazonaws.com use it.
    """
    return sqs.Queue(
        scope,
        "DeadLetters",
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
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


def let_rule(action: str, resource: str, rule: events.CfnRule) -> iam.PolicyStatement:
    """Of a resource's policy: exactly this rule may."""
    return iam.PolicyStatement(
        principals=[iam.ServicePrincipal("events.amazonaws.com")],
        actions=[action],
        resources=[resource],
        conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
    )
