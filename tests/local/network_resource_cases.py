"""Types of EC2: created, changed, deleted."""

import json
from collections.abc import Callable
from typing import Any

from tests.local.resource_case import ROLE_ARN, Case, Clients, policy, role

VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16", "EnableDnsSupport": True}}


SUBNET = {
    "Type": "AWS::EC2::Subnet",
    "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1a"},
}


TABLE = {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}}


GROUP = {
    "Type": "AWS::EC2::SecurityGroup",
    "Properties": {
        "VpcId": {"Ref": "Vpc"},
        "GroupDescription": "jobs",
        "SecurityGroupEgress": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}],
    },
}


FLOWS = {
    "ResourceId": {"Ref": "Vpc"},
    "ResourceType": "VPC",
    "TrafficType": "ALL",
    "LogGroupName": "flows",
    "DeliverLogsPermissionArn": ROLE_ARN,
}


def rules(direction: str) -> Callable[[Clients, dict[str, str]], Any]:
    def show(api: Clients, outputs: dict[str, str]) -> Any:
        group_id = outputs.get("GroupId") or outputs["OtherGroup"]
        groups = api("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        return sorted(
            (rule["IpProtocol"], rule.get("FromPort"), len(rule["IpRanges"]), len(rule["UserIdGroupPairs"]))
            for rule in groups[0]["IpPermissionsEgress" if direction == "egress" else "IpPermissions"]
        )

    return show


def endpoint_state(api: Clients, outputs: dict[str, str]) -> Any:
    endpoint = api("ec2").describe_vpc_endpoints(VpcEndpointIds=[outputs["Ref"]])["VpcEndpoints"][0]
    if endpoint["State"] == "deleted":  # shown for a while, as on AWS
        return None
    return json.loads(endpoint["PolicyDocument"])["Statement"][0]["Action"]


CASES = [
    Case(
        "AWS::EC2::VPC",
        VPC["Properties"] | {"EnableDnsHostnames": False},
        VPC["Properties"] | {"EnableDnsHostnames": True},
        lambda api, outputs: api("ec2").describe_vpc_attribute(VpcId=outputs["Ref"], Attribute="enableDnsHostnames")[
            "EnableDnsHostnames"
        ]["Value"],
        False,
        True,
        attributes=("VpcId", "CidrBlock", "DefaultSecurityGroup"),
    ),
    Case(
        "AWS::EC2::Subnet",
        SUBNET["Properties"] | {"Tags": [{"Key": "tier", "Value": "one"}]},
        SUBNET["Properties"] | {"Tags": [{"Key": "tier", "Value": "two"}]},
        lambda api, outputs: [
            tag["Value"]
            for tag in api("ec2").describe_subnets(SubnetIds=[outputs["Ref"]])["Subnets"][0]["Tags"]
            if tag["Key"] == "tier"
        ],
        ["one"],
        ["two"],
        {"Vpc": VPC},
        ("SubnetId", "AvailabilityZone", "VpcId"),
    ),
    Case(
        "AWS::EC2::SubnetRouteTableAssociation",
        {"SubnetId": {"Ref": "Subnet"}, "RouteTableId": {"Ref": "Table"}},
        {"SubnetId": {"Ref": "Subnet2"}, "RouteTableId": {"Ref": "Table"}},
        lambda api, outputs: (
            [
                association["SubnetId"]
                for association in api("ec2").describe_route_tables(
                    Filters=[{"Name": "association.route-table-association-id", "Values": [outputs["Ref"]]}]
                )["RouteTables"][0]["Associations"]
            ]
            == [outputs["OtherSubnet"]]
        ),
        True,
        False,
        {
            "Vpc": VPC,
            "Table": TABLE,
            "Subnet": SUBNET,
            "Subnet2": {"Type": "AWS::EC2::Subnet", "Properties": SUBNET["Properties"] | {"CidrBlock": "10.0.2.0/24"}},
        },
        replaced=True,
        gone=IndexError,
    ),
    Case(
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": {"Ref": "Vpc"},
            "ServiceName": "com.amazonaws.us-east-1.s3",
            "VpcEndpointType": "Gateway",
            "RouteTableIds": [{"Ref": "Table"}],
            "PolicyDocument": policy("s3:GetObject", Principal="*"),
        },
        {
            "VpcId": {"Ref": "Vpc"},
            "ServiceName": "com.amazonaws.us-east-1.s3",
            "VpcEndpointType": "Gateway",
            "RouteTableIds": [{"Ref": "Table"}],
            "PolicyDocument": policy("s3:PutObject", Principal="*"),
        },
        endpoint_state,
        "s3:GetObject",
        "s3:PutObject",
        {"Vpc": VPC, "Table": TABLE},
        ("Id",),
    ),
    Case(
        "AWS::EC2::SecurityGroup",
        GROUP["Properties"],
        GROUP["Properties"]
        | {"SecurityGroupEgress": [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/8"}]},
        rules("egress"),
        [("tcp", 443, 1, 0)],
        [("tcp", 80, 1, 0)],
        {"Vpc": VPC},
        ("GroupId", "VpcId"),
    ),
    Case(
        "AWS::EC2::SecurityGroupIngress",
        {"GroupId": {"Ref": "Group"}, "IpProtocol": "-1", "SourceSecurityGroupId": {"Ref": "Group"}},
        {"GroupId": {"Ref": "Group"}, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"},
        rules("ingress"),
        [("-1", None, 0, 1)],
        [("tcp", 22, 1, 0)],
        {"Vpc": VPC, "Group": GROUP},
        replaced=True,
    ),
    Case(
        "AWS::EC2::SecurityGroupEgress",
        {"GroupId": {"Ref": "Group"}, "IpProtocol": "-1", "DestinationSecurityGroupId": {"Ref": "Group"}},
        {"GroupId": {"Ref": "Group"}, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "10.0.0.0/8"},
        rules("egress"),
        [("-1", None, 0, 1), ("tcp", 443, 1, 0)],
        [("tcp", 22, 1, 0), ("tcp", 443, 1, 0)],
        {"Vpc": VPC, "Group": GROUP},
        replaced=True,
    ),
    Case(
        "AWS::EC2::SecurityGroupIngress",
        {"GroupId": {"Ref": "Group"}, "IpProtocol": "-1", "CidrIp": "10.0.0.0/8", "Description": "one"},
        {"GroupId": {"Ref": "Group"}, "IpProtocol": "-1", "CidrIp": "10.0.0.0/8", "Description": "two"},
        lambda api, outputs: [
            rule["IpRanges"][0]["Description"]
            for group in api("ec2").describe_security_groups(GroupIds=[outputs["OtherGroup"]])["SecurityGroups"]
            for rule in group["IpPermissions"]
        ],
        ["one"],
        ["two"],
        {"Vpc": VPC, "Group": GROUP},
    ),
    Case(
        "AWS::EC2::FlowLog",
        FLOWS | {"Tags": [{"Key": "colour", "Value": "red"}]},
        FLOWS | {"Tags": [{"Key": "colour", "Value": "blue"}]},
        lambda api, outputs: [
            tag["Value"]
            for log in api("ec2").describe_flow_logs(FlowLogIds=[outputs["Ref"]])["FlowLogs"]
            for tag in log["Tags"]
            if tag["Key"] == "colour"
        ],
        ["red"],
        ["blue"],
        {"Vpc": VPC, "Role": role("vpc-flow-logs.amazonaws.com")},
        gone=[],
    ),
    Case(
        "AWS::EC2::FlowLog",
        {"ResourceId": {"Ref": "Vpc"}, "ResourceType": "VPC", "TrafficType": "ALL"}
        | {"LogGroupName": "flows", "DeliverLogsPermissionArn": ROLE_ARN},
        {"ResourceId": {"Ref": "Vpc"}, "ResourceType": "VPC", "TrafficType": "REJECT"}
        | {"LogGroupName": "flows-2", "DeliverLogsPermissionArn": ROLE_ARN},
        lambda api, outputs: [
            log["TrafficType"] for log in api("ec2").describe_flow_logs(FlowLogIds=[outputs["Ref"]])["FlowLogs"]
        ],
        ["ALL"],
        ["REJECT"],
        {"Vpc": VPC, "Role": role("vpc-flow-logs.amazonaws.com")},
        ("Id",),
        replaced=True,
        gone=[],
    ),
]
