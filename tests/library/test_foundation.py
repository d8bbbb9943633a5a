"""Network, key, buckets and roles, each by itself: as it comes, and as a team may ask for it."""

from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from hf_sagemaker.network import PrivateNetwork


def test_network_by_default_keeps_flow_logs_a_month_and_for_ever_after_deletion(stack: Any) -> None:
    PrivateNetwork(stack, "Network", availability_zones=["us-east-1a", "us-east-1b"], key=stack.key)
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"})
    template.has_resource("AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": 30}, "DeletionPolicy": "Retain"})
    template.has_resource_properties("AWS::EC2::FlowLog", {"TrafficType": "ALL"})


def test_network_as_asked(stack: Any) -> None:
    PrivateNetwork(
        stack,
        "Network",
        availability_zones=["us-east-1b", "us-east-1c"],
        key=stack.key,
        cidr="10.7.0.0/20",
        flow_log_retention=logs.RetentionDays.ONE_YEAR,
        removal_policy=RemovalPolicy.DESTROY,
    )
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::EC2::VPC", {"CidrBlock": "10.7.0.0/20"})
    template.has_resource_properties("AWS::EC2::Subnet", {"AvailabilityZone": "us-east-1c"})
    template.has_resource("AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": 365}, "DeletionPolicy": "Delete"})


def test_workloads_reach_services_on_443_and_nothing_reaches_endpoints(stack: Any) -> None:
    network = PrivateNetwork(stack, "Network", availability_zones=["us-east-1a", "us-east-1b"], key=stack.key)
    template = Template.from_stack(stack)
    ingress = template.find_resources("AWS::EC2::SecurityGroupIngress")
    endpoint_group = stack.get_logical_id(network.endpoints.security_groups[0].node.default_child)
    to_endpoints = [
        r for r in ingress.values() if r["Properties"]["GroupId"] == {"Fn::GetAtt": [endpoint_group, "GroupId"]}
    ]
    assert not to_endpoints
    services = stack.get_logical_id(network.service_security_group.node.default_child)
    ports = {
        (r["Properties"]["FromPort"], r["Properties"]["ToPort"])
        for r in ingress.values()
        if r["Properties"]["GroupId"] == {"Fn::GetAtt": [services, "GroupId"]}
    }
    assert ports == {(443, 443)}
