"""Alarms that people hear."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

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
