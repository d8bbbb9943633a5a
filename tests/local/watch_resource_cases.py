"""Types that watch endpoints, data and costs, and that wait for a time: created, changed, deleted."""

import json
from typing import Any

from tests.local.resource_case import ACCOUNT, ROLE_ARN, Case, Clients, Properties, role
from tests.local.services_resource_cases import TOPIC, alarm

MONITORING_IMAGE = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/monitor:1"
ALARM = {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm(1)}


def composite(*, rule: str, description: str) -> Properties:
    return {
        "AlarmRule": {"Fn::Sub": rule},
        "AlarmDescription": description,
        "ActionsEnabled": True,
        "AlarmActions": [{"Ref": "Topic"}],
    }


def composite_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("cloudwatch").describe_alarms(AlarmNames=[outputs["Ref"]], AlarmTypes=["CompositeAlarm"])
    alarms = found["CompositeAlarms"]
    return (alarms[0]["AlarmRule"].split("(")[0], alarms[0]["AlarmDescription"]) if alarms else None


def budget(limit: float) -> Properties:
    notification = {
        "ComparisonOperator": "GREATER_THAN",
        "NotificationType": "FORECASTED",
        "Threshold": 100,
        "ThresholdType": "PERCENTAGE",
    }
    subscribers = [{"SubscriptionType": "EMAIL", "Address": "somebody@example.com"}]
    return {
        "Budget": {
            "BudgetName": "case-budget",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": limit, "Unit": "USD"},
            "CostFilters": {"TagKeyValue": ["user:Environment$dev"]},
        },
        "NotificationsWithSubscribers": [{"Notification": notification, "Subscribers": subscribers}],
    }


def budget_state(api: Clients, outputs: dict[str, str]) -> Any:
    asked = {"AccountId": ACCOUNT, "BudgetName": outputs["Ref"]}
    found = api("budgets").describe_budget(**asked)["Budget"]
    (notification,) = api("budgets").describe_notifications_for_budget(**asked)["Notifications"]
    told = api("budgets").describe_subscribers_for_notification(**asked, Notification=notification)["Subscribers"]
    return float(found["BudgetLimit"]["Amount"]), found["CostFilters"], told[0]["Address"]


MONITOR = {
    "Type": "AWS::CE::AnomalyMonitor",
    "Properties": {"MonitorName": "services", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"},
}


def monitor(name: str) -> Properties:
    tags = {"Tags": {"Key": "Environment", "MatchOptions": ["EQUALS"], "Values": ["dev"]}}
    return {"MonitorName": name, "MonitorType": "CUSTOM", "MonitorSpecification": json.dumps(tags)}


def monitor_state(api: Clients, outputs: dict[str, str]) -> Any:
    (found,) = api("ce").get_anomaly_monitors(MonitorArnList=[outputs["Ref"]])["AnomalyMonitors"]
    return found["MonitorName"], found["MonitorSpecification"]["Tags"]["Values"]


def subscription(impact: str) -> Properties:
    key = {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "MatchOptions": ["GREATER_THAN_OR_EQUAL"], "Values": [impact]}
    return {
        "SubscriptionName": "case",
        "Frequency": "DAILY",
        "MonitorArnList": [{"Ref": "Monitor"}],
        "Subscribers": [{"Type": "EMAIL", "Address": "somebody@example.com"}],
        "ThresholdExpression": json.dumps({"Dimensions": key}),
    }


def subscription_state(api: Clients, outputs: dict[str, str]) -> Any:
    asked = api("ce").get_anomaly_subscriptions(SubscriptionArnList=[outputs["Ref"]])
    (found,) = asked["AnomalySubscriptions"]
    return found["ThresholdExpression"]["Dimensions"]["Values"], found["Subscribers"][0]["Address"]


ENDPOINT_INPUT = {"EndpointInput": {"EndpointName": "some", "LocalPath": "/opt/ml/processing/input"}}
OUTPUT = {"MonitoringOutputs": [{"S3Output": {"S3Uri": "s3://some/reports", "LocalPath": "/opt/ml/processing/output"}}]}


def job_definition(kind: str, seconds: int, **more: Any) -> Properties:
    return {
        f"{kind}AppSpecification": {"ImageUri": MONITORING_IMAGE, **more},
        f"{kind}JobInput": ENDPOINT_INPUT
        | ({"GroundTruthS3Input": {"S3Uri": "s3://some/truth"}} if kind == "ModelQuality" else {}),
        f"{kind}JobOutputConfig": OUTPUT,
        "JobResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 20}},
        "RoleArn": ROLE_ARN,
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
    }


def data_quality_state(api: Clients, outputs: dict[str, str]) -> Any:
    name = outputs["Ref"].rpartition("/")[2]
    found = api("sagemaker").describe_data_quality_job_definition(JobDefinitionName=name)
    endpoint = found["DataQualityJobInput"]["EndpointInput"]["EndpointName"]
    return found["StoppingCondition"]["MaxRuntimeInSeconds"], endpoint


def model_quality_state(api: Clients, outputs: dict[str, str]) -> Any:
    name = outputs["Ref"].rpartition("/")[2]
    found = api("sagemaker").describe_model_quality_job_definition(JobDefinitionName=name)
    return found["StoppingCondition"]["MaxRuntimeInSeconds"], found["ModelQualityAppSpecification"]["ProblemType"]


DEFINITION = {
    "Type": "AWS::SageMaker::DataQualityJobDefinition",
    "Properties": job_definition("DataQuality", 3600) | {"JobDefinitionName": "case-definition"},
}


def monitoring(cron: str) -> Properties:
    return {
        "MonitoringScheduleName": "case-monitoring",
        "MonitoringScheduleConfig": {
            "MonitoringJobDefinitionName": "case-definition",
            "MonitoringType": "DataQuality",
            "ScheduleConfig": {"ScheduleExpression": cron},
        },
    }


def monitoring_state(api: Clients, outputs: dict[str, str]) -> Any:
    name = outputs["Ref"].rpartition("/")[2]
    found = api("sagemaker").describe_monitoring_schedule(MonitoringScheduleName=name)
    listed = api("sagemaker").list_monitoring_schedules(EndpointName="some")["MonitoringScheduleSummaries"]
    assert [each["MonitoringScheduleName"] for each in listed] == [name]
    config = found["MonitoringScheduleConfig"]["ScheduleConfig"]
    return config["ScheduleExpression"], found["MonitoringScheduleStatus"]


GROUP = {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "case-group"}}


def schedule(cron: str) -> Properties:
    return {
        "GroupName": {"Ref": "Group"},
        "ScheduleExpression": cron,
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": {"Ref": "Topic"}, "RoleArn": ROLE_ARN, "Input": "{}"},
    }


def schedule_state(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("scheduler").get_schedule(Name=outputs["Ref"], GroupName="case-group")
    return found["ScheduleExpression"], found["ScheduleExpressionTimezone"], found["State"]


def group_tags(api: Clients, outputs: dict[str, str]) -> Any:
    arn = api("scheduler").get_schedule_group(Name=outputs["Ref"])["Arn"]
    return {each["Key"]: each["Value"] for each in api("scheduler").list_tags_for_resource(ResourceArn=arn)["Tags"]}


CASES = [
    Case(
        "AWS::CloudWatch::CompositeAlarm",
        composite(rule='ALARM("${Alarm.Arn}")', description="one"),
        composite(rule='NOT OK("${Alarm.Arn}")', description="two"),
        composite_state,
        ("ALARM", "one"),
        ("NOT OK", "two"),
        {"Alarm": ALARM, "Topic": TOPIC},
        ("Arn",),
    ),
    Case(
        "AWS::Budgets::Budget",
        budget(100),
        budget(250.5),
        budget_state,
        (100.0, {"TagKeyValue": ["user:Environment$dev"]}, "somebody@example.com"),
        (250.5, {"TagKeyValue": ["user:Environment$dev"]}, "somebody@example.com"),
    ),
    Case(
        "AWS::CE::AnomalyMonitor",
        monitor("one"),
        monitor("two"),
        monitor_state,
        ("one", ["dev"]),
        ("two", ["dev"]),
        attributes=("MonitorArn",),
    ),
    Case(
        "AWS::CE::AnomalySubscription",
        subscription("50"),
        subscription("80"),
        subscription_state,
        (["50"], "somebody@example.com"),
        (["80"], "somebody@example.com"),
        {"Monitor": MONITOR},
        ("SubscriptionArn",),
    ),
    Case(
        "AWS::SageMaker::DataQualityJobDefinition",
        job_definition("DataQuality", 3600),
        job_definition("DataQuality", 1800),
        data_quality_state,
        (3600, "some"),
        (1800, "some"),
        {"Role": role("sagemaker.amazonaws.com")},
        ("JobDefinitionArn",),
        replaced=True,
    ),
    Case(
        "AWS::SageMaker::ModelQualityJobDefinition",
        job_definition("ModelQuality", 3600, ProblemType="BinaryClassification"),
        job_definition("ModelQuality", 3600, ProblemType="MulticlassClassification"),
        model_quality_state,
        (3600, "BinaryClassification"),
        (3600, "MulticlassClassification"),
        {"Role": role("sagemaker.amazonaws.com")},
        ("JobDefinitionArn",),
        replaced=True,
    ),
    Case(
        "AWS::SageMaker::MonitoringSchedule",
        monitoring("cron(0 * ? * * *)"),
        monitoring("cron(0 3 ? * * *)"),
        monitoring_state,
        ("cron(0 * ? * * *)", "Scheduled"),
        ("cron(0 3 ? * * *)", "Scheduled"),
        {"Role": role("sagemaker.amazonaws.com"), "Definition": DEFINITION},
        ("MonitoringScheduleArn",),
    ),
    Case(
        "AWS::Scheduler::Schedule",
        schedule("cron(0 3 * * ? *)"),
        schedule("cron(0 4 * * ? *)") | {"State": "DISABLED"},
        schedule_state,
        ("cron(0 3 * * ? *)", "Europe/Berlin", "ENABLED"),
        ("cron(0 4 * * ? *)", "Europe/Berlin", "DISABLED"),
        {"Role": role("scheduler.amazonaws.com"), "Topic": TOPIC, "Group": GROUP},
        ("Arn",),
    ),
    Case(
        "AWS::Scheduler::ScheduleGroup",
        {"Name": "case-groups", "Tags": [{"Key": "one", "Value": "1"}]},
        {"Name": "case-groups", "Tags": [{"Key": "two", "Value": "2"}]},
        group_tags,
        {"one": "1"},
        {"two": "2"},
        attributes=("Arn", "State"),
    ),
]
