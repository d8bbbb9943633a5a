"""The states of a batch transform: which prefixes, one job, once more where AWS had no instance, and the words of a
failure.

    WhichPrefixes → Prefixes → Transform → Answered
                                  │ no capacity
                                  └→ WaitForCapacity → TransformAgain

Every error is put into words, told to the topic, and ends in `Failed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.job_task import TRANSIENT, JobInstances, JobName, refuse
from hf_sagemaker.place import place_of
from hf_sagemaker.state_input import FromInput, formatted, rendered
from hf_sagemaker.transform_job_task import Batches, TransformJobTask

_LOG_GROUP = "/aws/sagemaker/TransformJobs"
_CAUSE = "$.failure.Cause"
_REASON = "$.cause.json.FailureReason"
_JOB = "$.cause.json.TransformJobName"
_STATE_NAME = "$$.State.Name"
_SECONDS_OF_A_CALL = 60


@dataclass(frozen=True, kw_only=True)
class BatchData:
    """Where a batch transform reads and writes.

    source, source_prefix: what is transformed, each object below the prefix.
    bucket, prefix: each run's answers lie below `<prefix><execution name>/`; the prefix ends in a slash.
    """

    source: s3.IBucket
    source_prefix: str
    bucket: s3.IBucket
    prefix: str

    def problems(self) -> list[str]:
        """Why no job can run with them."""
        found = [
            f"the prefix {prefix!r} has a character that patterns of S3 or of states give a meaning"
            for prefix in (self.source_prefix, self.prefix)
            if set(prefix) & set("*?\\'{}$")
        ]
        if not self.prefix.endswith("/"):
            found.append(f"the prefix of answers must end in a slash, and is {self.prefix!r}")
        if self.source is self.bucket and self.prefix.startswith(self.source_prefix):
            found.append(f"its answers would lie below {self.source_prefix!r}, where the next run would read them")
        return found


class BatchStates(Construct):
    """start: the first state. permissions: all that the machine's role needs for the states. longest: of an execution.

    An execution's input may have `input` and `output`: prefixes for this run, which must begin with the declared ones.
    Its output is {output, transform_job}.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        job_prefix: str,
        model_name: str,
        data: BatchData,
        instances: JobInstances,
        content_type: str,
        accept: str | None,
        batches: Batches,
        max_run: Duration,
        wait: Duration,
        topic: sns.ITopic,
        data_key: kms.IKey,
        volume_key: kms.IKey,
        job_tags: Mapping[str, str],
    ) -> None:
        """Creates the states.

        name: as people call the transform. job_prefix: names of jobs begin with it. model_name: of SageMaker's model.
        max_run: of a job. wait: for capacity, before the second attempt.
        data_key, volume_key: encrypt the answers, and volumes where the instance type takes a key.

        Raises InvalidJobError with everything that SageMaker would refuse.
        """
        super().__init__(scope, construct_id)
        refuse(f"The batch transform {name}", data.problems())
        self._name, self._topic, self._instances = name, topic, instances
        self._told = self._tell()

        def attempt(state: str) -> TransformJobTask:
            return TransformJobTask(
                self,
                state,
                model=model_name,
                key=data_key,
                volume_key=volume_key,
                name=JobName.of_execution(job_prefix),
                instances=instances,
                source=formatted(f"s3://{data.source.bucket_name}/{{}}", FromInput("$.run.prefixes.input")),
                destination=formatted(
                    f"s3://{data.bucket.bucket_name}/{{}}{{}}",
                    FromInput("$.run.prefixes.output"),
                    FromInput("$$.Execution.Name"),
                ),
                content_type=content_type,
                accept=accept,
                batches=batches,
                job_tags=job_tags,
                longest_run=int(max_run.to_seconds()),
            )

        answered = sfn.Pass(
            self,
            "Answered",
            state_name="Answered",
            parameters={
                "output": sfn.JsonPath.string_at("$.transform.TransformOutput.S3OutputPath"),
                "transform_job": sfn.JsonPath.string_at("$.transform.TransformJobName"),
            },
        )
        first, again = attempt("Transform"), attempt("TransformAgain")
        why = self._why()
        ran_too_long = self._explain(
            "RanTooLong",
            f"The job of batch transform {name} ran longer than {max_run.to_human_string()}, and was stopped; what it "
            "had answered by then is not written. Raise max_hours or instance_count, or give it less at a time.",
            error="TransformRanTooLong",
        )
        waiting = sfn.Wait(self, "WaitForCapacity", state_name="WaitForCapacity", time=sfn.WaitTime.duration(wait))
        no_capacity = (
            sfn.Choice(self, "NoCapacityYet", state_name="NoCapacityYet")
            .when(_cause_has("CapacityError"), waiting.next(again))
            .otherwise(why)
        )
        for task, failed in ((first, no_capacity), (again, why)):
            task.add_catch(self._stop(task, ran_too_long), errors=["States.Timeout"], result_path="$.failure")
            task.add_catch(failed, errors=["States.ALL"], result_path="$.failure")
            task.next(answered)
        self.start = self._prefixes(data, first)
        self.longest = Duration.seconds(2 * (max_run.to_seconds() + 2 * 3600) + wait.to_seconds() + 3600)
        self.permissions = [*first.permissions, allow.allow(["sns:Publish"], topic.topic_arn)]

    def _prefixes(self, data: BatchData, following: sfn.IChainable) -> sfn.Choice:
        """Those that are declared, or what the execution's input has instead; nothing that lies elsewhere."""
        refused = {
            field: self._explain(
                f"Refused{field.capitalize()}",
                sfn.JsonPath.format(
                    f"The {field} of a run of batch transform {self._name} must {must}, since its role may go nowhere "
                    "else. No job was started. This execution was given {}",
                    sfn.JsonPath.json_to_string(sfn.JsonPath.object_at("$$.Execution.Input")),
                ),
                error="TransformRefused",
            )
            for field, must in (
                ("input", f"begin with {data.source_prefix}"),
                ("output", f"begin with {data.prefix} and end in a slash"),
            )
        }
        declared = sfn.Pass(
            self,
            "DeclaredPrefixes",
            state_name="DeclaredPrefixes",
            result=sfn.Result.from_object({"input": data.source_prefix, "output": data.prefix}),
            result_path="$.declared",
        )
        prefixes = sfn.Pass(
            self,
            "Prefixes",
            state_name="Prefixes",
            parameters={"prefixes.$": "States.JsonMerge($.declared, $$.Execution.Input, false)"},
            result_path="$.run",
        )
        return (
            sfn.Choice(self, "WhichPrefixes", state_name="WhichPrefixes")
            .when(_given_but_not("$.input", f"{data.source_prefix}*"), refused["input"])
            .when(_given_but_not("$.output", data.prefix, f"{data.prefix}*/"), refused["output"])
            .otherwise(declared.next(prefixes).next(following))
        )

    def _stop(self, task: TransformJobTask, following: sfn.IChainable) -> sfn.CustomState:
        """Nothing else ends the job when its state has given up: SageMaker knows no limit for it."""
        name = task.name.value.path.replace(_STATE_NAME, f"'{task.node.id}'")
        state = sfn.CustomState(
            self,
            f"Stop{task.node.id}",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::aws-sdk:sagemaker:stopTransformJob",
                "Parameters": rendered({"TransformJobName": FromInput(name)}),
                "ResultPath": "$.stopped",
                "TimeoutSeconds": _SECONDS_OF_A_CALL,
                "Retry": [{**TRANSIENT[0], "ErrorEquals": ["SageMaker.SageMakerException"]}],
            },
        )
        # It has ended by itself meanwhile, or was never made.
        state.add_catch(following, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        state.next(following)
        return state

    def _why(self) -> sfn.Choice:
        """Causes come as the job's description, as text, or not at all."""
        start_again = f"Then start it again: hfsm transform {self._name}."
        cause, error = sfn.JsonPath.string_at(_CAUSE), sfn.JsonPath.string_at("$.failure.Error")
        read = sfn.Pass(
            self,
            "ReadJobFailure",
            state_name="ReadJobFailure",
            parameters={"json.$": f"States.StringToJson({_CAUSE})"},
            result_path="$.cause",
        ).next(self._how_job_ended(start_again))
        quota = self._explain(
            "QuotaUsedUp",
            sfn.JsonPath.format(
                "A quota of this account is used up, so no job was started: {} Wait until other jobs have ended, or "
                "ask for more: Service Quotas console, AWS services, Amazon SageMaker, "
                f"`{self._instances.type} for transform job usage`. {start_again}",
                cause,
            ),
            error="QuotaUsedUp",
        )
        service = self._explain(
            "ServiceFailed", sfn.JsonPath.format(f"{{}} When that is mended, start it again. {start_again}", cause)
        )
        no_cause = self._explain(
            "FailedWithoutCause",
            sfn.JsonPath.format(
                f"{{}}, and AWS gave no cause. The history of the execution shows which state it was. {start_again}",
                error,
            ),
        )
        is_quota = sfn.Condition.string_equals("$.failure.Error", "SageMaker.ResourceLimitExceededException")
        return (
            sfn.Choice(self, "WhatFailed", state_name="WhatFailed")
            .when(sfn.Condition.and_(is_quota, sfn.Condition.is_present(_CAUSE)), quota)
            .when(_cause_has('"TransformJobName"'), read)
            .when(sfn.Condition.is_present(_CAUSE), service)
            .otherwise(no_cause)
        )

    def _how_job_ended(self, start_again: str) -> sfn.Choice:
        job, reason = sfn.JsonPath.string_at(_JOB), sfn.JsonPath.string_at(_REASON)
        stopped = self._explain(
            "JobStopped",
            sfn.JsonPath.format(
                f"Transform job {{}} was stopped by somebody; what it had answered is not written. {start_again}", job
            ),
            error="TransformJobStopped",
        )

        def failed(name: str, error: str, todo: str) -> sfn.Pass:
            words = sfn.JsonPath.format(f"Transform job {{}} failed: {{}}. {todo} {start_again}", job, reason)
            return self._explain(name, words, error=error)

        has_reason = sfn.Condition.is_present(_REASON)
        known = (
            (
                "NoCapacity",
                "NoCapacity",
                ("*CapacityError*",),
                "AWS had no instance of this type free, twice. Wait, or take another instance_type.",
            ),
            (
                "NothingToTransform",
                "NothingToTransform",
                ("*No S3 objects found*", "*NoSuchKey*"),
                "Nothing lies below the prefix of its input. See that something does.",
            ),
        )
        choice = sfn.Choice(self, "HowJobEnded", state_name="HowJobEnded").when(sfn.Condition.not_(has_reason), stopped)
        for name, error, patterns, todo in known:
            matches = [sfn.Condition.string_matches(_REASON, pattern) for pattern in patterns]
            any_of_them = matches[0] if len(matches) == 1 else sfn.Condition.or_(*matches)
            choice.when(sfn.Condition.and_(has_reason, any_of_them), failed(name, error, todo))
        return choice.otherwise(
            failed(
                "TransformJobFailed",
                "TransformJobFailed",
                f"The log group {_LOG_GROUP} names, in its streams that end in data-log, each object that the model "
                "refused, and why. Mend these objects, content_type or split; what other objects were answered is "
                "below the output.",
            )
        )

    def _explain(self, name: str, cause: str, error: str = "") -> sfn.Pass:
        """A state that puts a failure into words, and tells it. error: a name. Omitted: the caught error's."""
        state = sfn.Pass(
            self,
            name,
            state_name=name,
            parameters={"Error": error or sfn.JsonPath.string_at("$.failure.Error"), "Cause": cause},
            result_path="$.outcome",
        )
        state.next(self._told)
        return state

    def _tell(self) -> sfn.CustomState:
        """People read it; that they cannot be told changes nothing about the end."""
        failed = sfn.Fail(
            self, "Failed", state_name="Failed", error_path="$.outcome.Error", cause_path="$.outcome.Cause"
        )
        message: dict[str, Any] = {
            "TopicArn": self._topic.topic_arn,
            "Subject": f"Batch transform {self._name} failed",
            "Message": formatted("{}\n\nExecution: {}", FromInput("$.outcome.Cause"), FromInput("$$.Execution.Id")),
        }
        state = sfn.CustomState(
            self,
            "Tell",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::sns:publish",
                "Parameters": rendered(message),
                "ResultPath": "$.told",
                "TimeoutSeconds": _SECONDS_OF_A_CALL,
                "Retry": [{**TRANSIENT[0], "ErrorEquals": ["SNS.AmazonSNSException", "SNS.ThrottledException"]}],
            },
        )
        state.add_catch(failed, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        state.next(failed)
        return state


def _given_but_not(path: str, *patterns: str) -> sfn.Condition:
    matches = [sfn.Condition.string_matches(path, pattern) for pattern in patterns]
    fits = matches[0] if len(matches) == 1 else sfn.Condition.or_(*matches)
    return sfn.Condition.and_(sfn.Condition.is_present(path), sfn.Condition.not_(fits))


def _cause_has(text: str) -> sfn.Condition:
    return sfn.Condition.and_(sfn.Condition.is_present(_CAUSE), sfn.Condition.string_matches(_CAUSE, f"*{text}*"))
