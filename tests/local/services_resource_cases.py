"""Types of the services that run things: created, changed, deleted."""

import json
from typing import Any

from tests.local.resource_case import ACCOUNT, ROLE_ARN, Case, Clients, Properties, policy, role

TOPIC = {"Type": "AWS::SNS::Topic"}


FUNCTION = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Runtime": "python3.13",
        "Handler": "index.handle",
        "Role": ROLE_ARN,
        "Code": {"ZipFile": "def handle(event, context):\n    return 1\n"},
    },
}


DEFINITION = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


DEFINITION_2 = {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": True}}}


TARGET = {
    "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
    "Properties": {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/some/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 1,
        "MaxCapacity": 2,
        "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/scaling",
    },
}


def project(image: str, minutes: int) -> Properties:
    return {
        "ServiceRole": ROLE_ARN,
        "Source": {"Type": "S3", "Location": "assets/context.zip", "BuildSpec": f"version: 0.2 # {image}"},
        "Artifacts": {"Type": "NO_ARTIFACTS"},
        "Environment": {
            "Type": "LINUX_CONTAINER",
            "ComputeType": "BUILD_GENERAL1_LARGE",
            "Image": "aws/codebuild/standard:7.0",
            "PrivilegedMode": True,
            "EnvironmentVariables": [{"Name": "IMAGE_TAG", "Value": image, "Type": "PLAINTEXT"}],
        },
        "TimeoutInMinutes": minutes,
        "Cache": {"Type": "NO_CACHE"},
        "EncryptionKey": f"alias/{image}",
    }


def project_state(api: Clients, outputs: dict[str, str]) -> Any:
    projects = api("codebuild").batch_get_projects(names=[outputs["Ref"]])["projects"]
    if not projects:
        return None
    found = projects[0]
    variables = found["environment"]["environmentVariables"]
    return found["source"]["buildspec"], variables[0]["value"], found["timeoutInMinutes"], found["encryptionKey"]


def function_state(api: Clients, outputs: dict[str, str]) -> Any:
    configuration = api("lambda").get_function_configuration(FunctionName=outputs["Ref"])
    answer = api("lambda").invoke(FunctionName=outputs["Ref"], Payload="{}")
    return configuration["Timeout"], configuration["MemorySize"], json.loads(answer["Payload"].read())


def function(result: int, timeout: int) -> Properties:
    return FUNCTION["Properties"] | {
        "Code": {"ZipFile": f"def handle(event, context):\n    return {result}\n"},
        "Timeout": timeout,
        "MemorySize": "256",
        "TracingConfig": {"Mode": "Active"},
    }


def statements(api: Clients, outputs: dict[str, str]) -> Any:
    found = json.loads(api("lambda").get_policy(FunctionName=outputs["Other"])["Policy"])["Statement"]
    return [each["Principal"] for each in found]


def policy_of_topic(api: Clients, outputs: dict[str, str]) -> Any:
    document = json.loads(api("sns").get_topic_attributes(TopicArn=outputs["OtherTopic"])["Attributes"]["Policy"])
    return document["Statement"][0].get("Sid")


def filter_of_subscription(api: Clients, outputs: dict[str, str]) -> Any:
    attributes = api("sns").get_subscription_attributes(SubscriptionArn=outputs["Ref"])["Attributes"]
    return json.loads(attributes["FilterPolicy"])


def subscription(word: str) -> Properties:
    return {
        "TopicArn": {"Ref": "Topic"},
        "Protocol": "email",
        "Endpoint": "somebody@example.com",
        "FilterPolicy": {"word": [word]},
    }


def topic_policy(sid: str) -> Properties:
    document = policy("sns:Publish", {"Ref": "Topic"}, Principal={"Service": "states.amazonaws.com"}, Sid=sid)
    return {"Topics": [{"Ref": "Topic"}], "PolicyDocument": document}


def alarm(threshold: float) -> Properties:
    return {
        "MetricName": "Invocation4XXErrors",
        "Namespace": "AWS/SageMaker",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "Threshold": threshold,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Dimensions": [{"Name": "EndpointName", "Value": "some"}],
    }


def alarm_state(api: Clients, outputs: dict[str, str]) -> Any:
    alarms = api("cloudwatch").describe_alarms(AlarmNames=[outputs["Ref"]])["MetricAlarms"]
    return (alarms[0]["Threshold"], alarms[0]["Dimensions"][0]["Value"]) if alarms else None


def scaling_policy(value: float) -> Properties:
    return {
        "PolicyName": "concurrency",
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": {"Ref": "Target"},
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": value,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            },
        },
    }


def scaling_state(api: Clients, outputs: dict[str, str]) -> Any:
    policies = api("application-autoscaling").describe_scaling_policies(ServiceNamespace="sagemaker")
    found = policies["ScalingPolicies"]
    return found[0]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] if found else None


def target_state(api: Clients, outputs: dict[str, str]) -> Any:
    targets = api("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")
    found = targets["ScalableTargets"]
    return (found[0]["MinCapacity"], found[0]["MaxCapacity"]) if found else None


def machine_state(api: Clients, outputs: dict[str, str]) -> Any:
    machine = api("stepfunctions").describe_state_machine(stateMachineArn=outputs["Ref"])
    if machine["status"] == "DELETING":
        return None
    return json.loads(machine["definition"])["StartAt"]


CASES = [
    Case(
        "AWS::CodeBuild::Project",
        project("one", 10),
        project("two", 20),
        project_state,
        ("version: 0.2 # one", "one", 10, "alias/one"),
        ("version: 0.2 # two", "two", 20, "alias/two"),
        {"Role": role("codebuild.amazonaws.com")},
        ("Arn",),
    ),
    Case(
        "AWS::Lambda::Function",
        function(1, 10),
        function(2, 20),
        function_state,
        (10, 256, 1),
        (20, 256, 2),
        {"Role": role()},
        ("Arn",),
    ),
    Case(
        "AWS::Lambda::Permission",
        {"FunctionName": {"Ref": "Function"}, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"},
        {"FunctionName": {"Ref": "Function"}, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"},
        statements,
        [{"Service": "sns.amazonaws.com"}],
        [{"Service": "s3.amazonaws.com"}],
        {"Role": role(), "Function": FUNCTION},
        replaced=True,
    ),
    Case(
        "AWS::StepFunctions::StateMachine",
        {"RoleArn": ROLE_ARN, "DefinitionString": json.dumps(DEFINITION)},
        {"RoleArn": ROLE_ARN, "DefinitionString": json.dumps(DEFINITION_2), "TracingConfiguration": {"Enabled": True}},
        machine_state,
        "A",
        "B",
        {"Role": role("states.amazonaws.com")},
        ("Arn", "Name"),
    ),
    Case(
        "AWS::SNS::Topic",
        {"DisplayName": "one"},
        {"DisplayName": "two"},
        lambda api, outputs: api("sns").get_topic_attributes(TopicArn=outputs["Ref"])["Attributes"]["DisplayName"],
        "one",
        "two",
        attributes=("TopicArn", "TopicName"),
    ),
    Case(
        "AWS::SNS::TopicPolicy",
        topic_policy("One"),
        topic_policy("Two"),
        policy_of_topic,
        "One",
        "Two",
        {"Topic": TOPIC},
    ),
    Case(
        "AWS::SNS::Subscription",
        subscription("one"),
        subscription("two"),
        filter_of_subscription,
        {"word": ["one"]},
        {"word": ["two"]},
        {"Topic": TOPIC},
        ("Arn",),
    ),
    Case("AWS::CloudWatch::Alarm", alarm(1), alarm(2.5), alarm_state, (1.0, "some"), (2.5, "some"), {}, ("Arn",)),
    Case(
        "AWS::CloudWatch::Dashboard",
        {"DashboardBody": '{"widgets": []}'},
        {"DashboardBody": '{"widgets": [], "start": "-PT1H"}'},
        lambda api, outputs: json.loads(
            api("cloudwatch").get_dashboard(DashboardName=outputs["Ref"])["DashboardBody"]
        ).get("start"),
        None,
        "-PT1H",
    ),
    Case(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        TARGET["Properties"],
        TARGET["Properties"] | {"MaxCapacity": 5},
        target_state,
        (1, 2),
        (1, 5),
    ),
    Case(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        scaling_policy(5),
        scaling_policy(8),
        scaling_state,
        5.0,
        8.0,
        {"Target": TARGET},
        ("Arn",),
    ),
]
