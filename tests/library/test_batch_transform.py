"""A batch transform: its model, its states, what its roles may, and when it runs."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Duration, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from hf_sagemaker.batch_states import BatchData
from hf_sagemaker.batch_transform import BatchSchedule, HuggingFaceBatchTransform
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.job_task import InvalidJobError, JobInstances
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.transform_job_task import Batches

ROOT = Path(__file__).parents[2]
Definition = dict[str, Any]


def make(
    stack: Any, *, source_prefix: str = "incoming/reviews/", prefix: str = "scored/reviews/", **changes: Any
) -> Any:
    given: dict[str, Any] = {
        "name": "nightly-reviews",
        "environment": "dev",
        "model": ModelSource.from_s3(stack.buckets.models, "trained/model.tar.gz"),
        "image": ContainerImage.from_ecr(
            ecr.Repository.from_repository_name(stack, "Images", "images"), tag_or_digest="1", product="inference"
        ),
        "task": "text-classification",
        "role": stack.role,
        "placement": stack.placement,
        "keys": stack.keys,
        "topic": sns.Topic(stack, "Topic"),
        "content_type": "application/json",
        **changes,
    }
    data = BatchData(source=stack.buckets.data, source_prefix=source_prefix, bucket=stack.buckets.data, prefix=prefix)
    return HuggingFaceBatchTransform(stack, "Reviews", data=data, **given)


def template_of(stack: Stack) -> Template:
    return Template.from_stack(stack)


def definition_of(stack: Stack) -> Definition:
    """References as names."""
    (machine,) = template_of(stack).find_resources("AWS::StepFunctions::StateMachine").values()
    text = machine["Properties"]["DefinitionString"]
    parts = text["Fn::Join"][1] if isinstance(text, dict) else [text]
    definition: Definition = json.loads("".join(part if isinstance(part, str) else "reference" for part in parts))
    return definition


@pytest.fixture
def definition(stack: Any) -> Definition:
    make(stack, max_run=Duration.hours(2), batches=Batches(split="None", max_payload_mb=3))
    return definition_of(stack)


def test_the_definition_is_valid(definition: Definition, tmp_path: Path) -> None:
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(definition))
    validator = ROOT / "node_modules/asl-validator/dist/bin/asl-validator.js"
    done = subprocess.run(["node", validator, "--json-path", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_model_is_isolated_in_private_subnets(stack: Any) -> None:
    make(stack)
    template_of(stack).has_resource_properties(
        "AWS::SageMaker::Model",
        {
            "EnableNetworkIsolation": True,
            "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
            "PrimaryContainer": {"Environment": {"HF_TASK": "text-classification", "HF_HUB_OFFLINE": "1"}},
        },
    )


@pytest.mark.parametrize("state", ["Transform", "TransformAgain"])
def test_both_attempts_ask_for_the_same(definition: Definition, state: str) -> None:
    task = definition["States"][state]
    asked = task["Parameters"]
    assert asked["TransformInput"]["SplitType"] == "None"
    assert asked["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri.$"] == (
        "States.Format('s3://data/{}', $.run.prefixes.input)"
    )
    assert asked["TransformOutput"]["S3OutputPath.$"] == (
        "States.Format('s3://data/{}{}', $.run.prefixes.output, $$.Execution.Name)"
    )
    assert asked["MaxPayloadInMB"] == 3
    assert "VolumeKmsKeyId" not in asked["TransformResources"]
    # and give up an hour after the job's own limit
    assert task["TimeoutSeconds"] == 3 * 3600


def test_answers_and_volumes_have_keys_of_their_own(stack: Any) -> None:
    make(stack, instances=JobInstances(type="ml.m5.xlarge"), image=None, model=ModelSource.from_registry("arn:1"))
    asked = definition_of(stack)["States"]["Transform"]["Parameters"]
    assert asked["TransformOutput"]["KmsKeyId"].endswith("key/data")
    assert asked["TransformResources"]["VolumeKmsKeyId"].endswith("key/models")


def test_a_job_is_stopped_when_its_state_gives_up(definition: Definition) -> None:
    for state in ("Transform", "TransformAgain"):
        task = definition["States"][state]
        stopping = definition["States"][task["Catch"][0]["Next"]]
        assert task["Catch"][0]["ErrorEquals"] == ["States.Timeout"]
        # Then the job that is stopped is the one that was started
        named = task["Parameters"]["TransformJobName.$"]
        assert stopping["Parameters"]["TransformJobName.$"] == named.replace("$$.State.Name", f"'{state}'")
        assert stopping["Next"] == "RanTooLong"


def test_the_execution_outlasts_its_tasks(definition: Definition) -> None:
    states = definition["States"]
    tasks = sum(state.get("TimeoutSeconds", 0) for state in states.values())
    assert definition["TimeoutSeconds"] > tasks + states["WaitForCapacity"]["Seconds"]


def test_each_failure_is_told_before_the_execution_fails(definition: Definition) -> None:
    states = definition["States"]
    explained = {name: state for name, state in states.items() if state.get("ResultPath") == "$.outcome"}
    assert {"RanTooLong", "NoCapacity", "QuotaUsedUp", "TransformJobFailed", "RefusedInput"} <= set(explained)
    assert {state["Next"] for state in explained.values()} == {"Tell"}
    assert states["Tell"]["Next"] == states["Tell"]["Catch"][0]["Next"] == "Failed"


def test_no_text_of_a_function_ends_early(definition: Definition) -> None:
    """An apostrophe would end it, and the values after it would have no place."""
    causes = [state["Parameters"]["Cause.$"] for state in definition["States"].values() if _explains(state)]
    assert causes
    assert [cause for cause in causes if cause.count("'") != 2] == []


def _explains(state: dict[str, Any]) -> bool:
    return "Cause.$" in state.get("Parameters", {})


def test_a_schedule_follows_its_time_zone(stack: Any) -> None:
    make(stack, schedule=BatchSchedule(cron="0 3 ? * MON-FRI *", time_zone="Europe/Berlin"))
    template = template_of(stack)
    template.has_resource_properties(
        "AWS::Scheduler::Schedule",
        {
            "ScheduleExpression": "cron(0 3 ? * MON-FRI *)",
            "ScheduleExpressionTimezone": "Europe/Berlin",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Input": "{}"},
        },
    )
    # and its role may start this machine, and nothing else
    (policy,) = [
        each["Properties"]["PolicyDocument"]["Statement"]
        for name, each in template.find_resources("AWS::IAM::ManagedPolicy").items()
        if "Schedule" in name
    ]
    (machine,) = template.find_resources("AWS::StepFunctions::StateMachine")
    (starting,) = [statement for statement in policy if "states:StartExecution" in statement["Action"]]
    assert starting == {"Action": "states:StartExecution", "Effect": "Allow", "Resource": {"Ref": machine}}
    # and what it could not start is kept, and told
    (queue,) = template.find_resources("AWS::SQS::Queue")
    (schedule,) = template.find_resources("AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["Target"]["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [queue, "Arn"]}}
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {"MetricName": "ApproximateNumberOfMessagesVisible", "AlarmActions": Match.any_value(), "Threshold": 1},
    )


def test_without_a_schedule_there_is_none(stack: Any) -> None:
    make(stack)
    template_of(stack).resource_count_is("AWS::Scheduler::Schedule", 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prefix": "scored"}, "must end in a slash"),
        ({"prefix": "incoming/reviews/scored/"}, "where the next run would read them"),
        ({"source_prefix": "incoming/*/"}, "has a character"),
        ({"batches": Batches(split="None", strategy="MultiRecord")}, "split is None"),
    ],
)
def test_what_cannot_run_is_refused_at_synth(stack: Any, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidJobError, match=words):
        make(stack, **changes)
