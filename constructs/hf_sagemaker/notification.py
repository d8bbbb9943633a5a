"""A message to the people who wait for a run, as a state."""

from aws_cdk import Duration
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct


class Notification(tasks.SnsPublish):
    """Tells a topic. Whether or not the message went out, the execution goes on to the same state."""

    def __init__(
        self, scope: Construct, name: str, *, topic: sns.ITopic, subject: str, message: str, next_state: sfn.IChainable
    ) -> None:
        """Creates the state.

        name: of the state. message: text, or an expression that makes one.
        next_state: an unreachable topic must not change how the execution ends.
        """
        super().__init__(
            scope,
            name,
            state_name=name,
            topic=topic,
            subject=subject,
            message=sfn.TaskInput.from_text(message),
            result_path=sfn.JsonPath.DISCARD,
            task_timeout=sfn.Timeout.duration(Duration.minutes(1)),
        )
        self.add_retry(
            errors=[
                "SNS.AmazonSNSException",
                "SNS.InternalErrorException",
                "SNS.KMSThrottlingException",
                "SNS.SdkClientException",
                "SNS.ThrottledException",
            ],
            interval=Duration.seconds(2),
            backoff_rate=2,
            max_attempts=4,
            max_delay=Duration.minutes(1),
            jitter_strategy=sfn.JitterType.FULL,
        )
        self.add_catch(next_state, result_path="$.notification")
        self.next(next_state)
