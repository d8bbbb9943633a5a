"""Telling people that a build did not succeed."""

from collections.abc import Sequence

from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.alarms import let_alarms_publish
from hf_sagemaker.dead_letters import dead_letters, let_rule, tell_of_letters

_ENDS = ("FAILED", "FAULT", "STOPPED", "TIMED_OUT")
_MESSAGE = (
    '"The build of project <project> ended as <status>. Whatever uses its image goes on with the one from before. '
    'Its log: <group>, stream <stream>. Build: <build>"'
)


class BuildFailures(Construct):
    """A rule on the builds of some projects, which tells a topic about every one that did not succeed.

    topic: subscribe people to it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, projects: Sequence[codebuild.IProject], key: kms.IKey
    ) -> None:
        """Creates topic, rule, a queue for messages that the topic did not take, and an alarm on that queue.

        key: encrypts topic and queue; its policy must let events.amazonaws.com and cloudwatch.amazonaws.com use it.
        """
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self._queue = dead_letters(self, key)
        rule = events.CfnRule(
            self,
            "Rule",
            description="Tells people about builds that did not succeed",
            event_pattern={
                "source": ["aws.codebuild"],
                "detail-type": ["CodeBuild Build State Change"],
                "detail": {
                    "build-status": list(_ENDS),
                    "project-name": [project.project_name for project in projects],
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    arn=self.topic.topic_arn,
                    id="Topic",
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map={
                            "project": "$.detail.project-name",
                            "status": "$.detail.build-status",
                            "build": "$.detail.build-id",
                            "group": "$.detail.additional-information.logs.group-name",
                            "stream": "$.detail.additional-information.logs.stream-name",
                        },
                        input_template=_MESSAGE,
                    ),
                    dead_letter_config=self.dead_letters,
                )
            ],
        )
        self._watch_queue()
        self.topic.add_to_resource_policy(let_rule("sns:Publish", self.topic.topic_arn, rule))
        self.keep_for(rule)

    def _watch_queue(self) -> None:
        """What lies in the queue is a message that nobody got, or a look that never was: people are told of it."""
        tell_of_letters(
            self,
            "Undelivered",
            queue=self._queue,
            description="Messages about builds, or looks at images, that reached nobody are in the queue",
            topics=[self.topic],
        )
        let_alarms_publish(self.topic)

    @property
    def dead_letters(self) -> events.CfnRule.DeadLetterConfigProperty:
        """For the target of a rule, which then needs `keep_for`."""
        return events.CfnRule.DeadLetterConfigProperty(arn=self._queue.queue_arn)

    def keep_for(self, rule: events.CfnRule) -> None:
        """Lets a rule leave here what its targets did not take."""
        self._queue.add_to_resource_policy(let_rule("sqs:SendMessage", self._queue.queue_arn, rule))
