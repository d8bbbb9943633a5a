"""Monitors of an endpoint's captures, and where their image is."""

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from hf_sagemaker import model_monitor_images, update_catalogs
from hf_sagemaker.dlc_catalog import UnknownImageError
from hf_sagemaker.instance_types import UnknownInstanceTypeError
from hf_sagemaker.model_monitor import DataQuality, ModelMonitor, ModelQuality, MonitorPlace, monitor_captures
from hf_sagemaker.model_monitor_images import monitor_image

NAME = "dev-sentiment"
IMAGE = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
DATA = DataQuality(baseline="baselines/sentiment/", preprocessor="monitors/flat.py")
MODEL = ModelQuality(
    baseline="baselines/sentiment/",
    ground_truth="truths/sentiment/",
    problem="MulticlassClassification",
    inference_attribute="label",
)


def _monitor(stack: Any, checks: DataQuality | ModelQuality = DATA, **options: Any) -> Template:
    endpoint = sagemaker.CfnEndpoint(stack, "Endpoint", endpoint_name=NAME, endpoint_config_name="config")
    place = MonitorPlace(
        role=stack.role,
        bucket=stack.buckets.data,
        bucket_key=stack.keys.data,
        volume_key=stack.keys.models,
        topic_key=stack.keys.operations,
        placement=stack.placement,
    )
    ModelMonitor(
        stack,
        "Monitor",
        endpoint=endpoint,
        endpoint_name=NAME,
        checks=checks,
        place=place,
        **options,
    )
    return Template.from_stack(stack)


def _only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = template.find_resources(kind).values()
    return dict(found)


def test_data_is_compared_with_its_baseline_once_a_day(stack: Any) -> None:
    template = _monitor(stack)
    definition = _only(template, "AWS::SageMaker::DataQualityJobDefinition")["Properties"]
    assert definition["DataQualityAppSpecification"]["ImageUri"] == IMAGE
    assert definition["DataQualityAppSpecification"]["RecordPreprocessorSourceUri"] == "s3://data/monitors/flat.py"
    assert definition["DataQualityBaselineConfig"] == {
        "ConstraintsResource": {"S3Uri": "s3://data/baselines/sentiment/constraints.json"},
        "StatisticsResource": {"S3Uri": "s3://data/baselines/sentiment/statistics.json"},
    }
    assert definition["DataQualityJobInput"]["EndpointInput"]["EndpointName"] == NAME
    schedule = _only(template, "AWS::SageMaker::MonitoringSchedule")["Properties"]
    assert schedule["MonitoringScheduleName"] == "dev-sentiment-data-quality"
    configured = schedule["MonitoringScheduleConfig"]
    assert configured["ScheduleConfig"] == {"ScheduleExpression": "cron(0 5 ? * * *)"}
    # And SageMaker gets the definition's name, which is the end of its ARN
    assert configured["MonitoringJobDefinitionName"]["Fn::Select"][0] == 1


def test_answers_are_compared_with_what_turned_out_to_be_true(stack: Any) -> None:
    template = _monitor(stack, MODEL, hourly=True)
    definition = _only(template, "AWS::SageMaker::ModelQualityJobDefinition")["Properties"]
    given = definition["ModelQualityJobInput"]
    assert given["GroundTruthS3Input"] == {"S3Uri": "s3://data/truths/sentiment"}
    assert given["EndpointInput"]["InferenceAttribute"] == "label"
    assert (given["EndpointInput"]["StartTimeOffset"], given["EndpointInput"]["EndTimeOffset"]) == ("-P2D", "-P1D")
    assert definition["ModelQualityAppSpecification"]["ProblemType"] == "MulticlassClassification"


@pytest.mark.parametrize("checks", [DATA, MODEL])
def test_jobs_are_isolated_in_the_network_and_encrypted(stack: Any, checks: Any) -> None:
    template = _monitor(stack, checks)
    kind = "DataQuality" if checks is DATA else "ModelQuality"
    definition = _only(template, f"AWS::SageMaker::{kind}JobDefinition")["Properties"]
    assert definition["NetworkConfig"] == {
        "EnableInterContainerTrafficEncryption": True,
        "EnableNetworkIsolation": True,
        "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
    }
    assert definition["JobResources"]["ClusterConfig"]["VolumeKmsKeyId"].endswith("key/models")
    assert definition[f"{kind}JobOutputConfig"]["KmsKeyId"].endswith("key/data")


def test_the_role_reads_the_bucket_and_writes_results_only(stack: Any) -> None:
    permissions = monitor_captures(stack, stack.buckets.data, stack.keys.data, stack.keys.models)
    statements = [each for permission in permissions for each in permission.statements]
    puts = [each["Resource"] for each in statements if "s3:PutObject" in each["Action"]]
    assert [[str(resource).rpartition("/monitored/")[2] for resource in each] for each in puts] == [["*"]]
    pulls = [each["Resource"] for each in statements if "ecr:BatchGetImage" in each["Action"]]
    assert pulls == [["arn:aws:ecr:us-east-1:156813124566:repository/sagemaker-model-monitor-analyzer"]]


def test_the_monitor_is_made_when_its_endpoint_is_there(stack: Any) -> None:
    assert "Endpoint" in _only(_monitor(stack), "AWS::SageMaker::DataQualityJobDefinition")["DependsOn"]


def test_violations_and_failures_are_told(stack: Any) -> None:
    template = _monitor(stack, alarm_topic=sns.Topic(stack, "AlarmTopic"))
    rules = [each["Properties"]["EventPattern"] for each in template.find_resources("AWS::Events::Rule").values()]
    ends = [{key: value for key, value in rule["detail"].items() if key != "MonitoringScheduleArn"} for rule in rules]
    assert {"ExitMessage": [{"prefix": "CompletedWithViolations"}]} in ends
    assert {"ProcessingJobStatus": ["Failed"]} in ends
    # And only those of this schedule
    arn = "arn:aws:sagemaker:us-east-1:123456789012:monitoring-schedule/dev-sentiment-data-quality"
    assert [rule["detail"]["MonitoringScheduleArn"] for rule in rules] == [[arn], [arn]]
    # And what could not be told is kept
    targets = [each["Properties"]["Targets"][0] for each in template.find_resources("AWS::Events::Rule").values()]
    assert all("DeadLetterConfig" in target for target in targets)
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "NumberOfMessagesPublished",
            "Threshold": 1,
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": Match.string_like_regexp("AlarmTopic")}],
        },
    )


def test_a_type_that_processing_does_not_have_is_refused(stack: Any) -> None:
    with pytest.raises(UnknownInstanceTypeError):
        _monitor(stack, instance_type="ml.m5.extra")


def test_the_table_of_images_is_current() -> None:
    # `make catalogs` writes it
    file = Path(model_monitor_images.__file__).with_name("model_monitor_images.json")
    assert json.loads(file.read_text()) == update_catalogs.model_monitor_images()


def test_the_image_is_in_its_regions_registry() -> None:
    assert monitor_image("us-east-1").uri == IMAGE
    assert monitor_image("cn-north-1").uri.startswith("453000072557.dkr.ecr.cn-north-1.amazonaws.com.cn/")


def test_a_region_without_a_monitor_is_told_with_the_nearest() -> None:
    with pytest.raises(
        UnknownImageError, match=r"no image of Model Monitor in eu-south-9\. Nearest: eu-south-1, eu-south-2"
    ):
        monitor_image("eu-south-9")
