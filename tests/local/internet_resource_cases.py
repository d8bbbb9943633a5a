"""Types of EC2 that lead out of a VPC, and endpoints that lead to AWS's services: created, changed, deleted."""

import json
from typing import Any

from tests.local.network_resource_cases import GROUP, SUBNET, TABLE, VPC
from tests.local.resource_case import Case, Clients, Properties, policy

GATEWAY = {"Type": "AWS::EC2::InternetGateway"}


ATTACHMENT = {
    "Type": "AWS::EC2::VPCGatewayAttachment",
    "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
}


PUBLIC = {"Type": "AWS::EC2::Subnet", "Properties": SUBNET["Properties"] | {"MapPublicIpOnLaunch": True}}


ADDRESS = {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}}


NAT = {
    "Type": "AWS::EC2::NatGateway",
    "DependsOn": "Attachment",
    "Properties": {"SubnetId": {"Ref": "Subnet"}, "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}},
}


OUTSIDE = {"Vpc": VPC, "Subnet": PUBLIC, "Gateway": GATEWAY, "Attachment": ATTACHMENT, "Address": ADDRESS}


def tag(colour: str) -> Properties:
    return {"Tags": [{"Key": "colour", "Value": colour}]}


def colour(tags: list[dict[str, str]]) -> str:
    return next(each["Value"] for each in tags if each["Key"] == "colour")


def attached_vpc(api: Clients, outputs: dict[str, str]) -> Any:
    gateways = api("ec2").describe_internet_gateways(InternetGatewayIds=[outputs["OtherGateway"]])["InternetGateways"]
    attachments = gateways[0]["Attachments"]
    return attachments[0]["VpcId"] == outputs["OtherVpc"] if attachments else None


def nat_gateway(api: Clients, outputs: dict[str, str]) -> Any:
    found = api("ec2").describe_nat_gateways(NatGatewayIds=[outputs["Ref"]])["NatGateways"]
    if not found or found[0]["State"] == "deleted":  # shown for a while, as on AWS
        return None
    address = found[0]["NatGatewayAddresses"][0]
    return address["PublicIp"] == outputs["OtherAddress"], colour(found[0]["Tags"])


def default_route(api: Clients, outputs: dict[str, str]) -> Any:
    table = api("ec2").describe_route_tables(RouteTableIds=[outputs["Ref"].split("|")[0]])["RouteTables"][0]
    routes = [route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]
    return ["nat" if "NatGatewayId" in route else "internet" for route in routes]


def interface_endpoint(api: Clients, outputs: dict[str, str]) -> Any:
    endpoint = api("ec2").describe_vpc_endpoints(VpcEndpointIds=[outputs["Ref"]])["VpcEndpoints"][0]
    if endpoint["State"] == "deleted":
        return None
    document = json.loads(endpoint["PolicyDocument"])
    return (
        document["Statement"][0]["Action"],
        endpoint["PrivateDnsEnabled"],
        len(endpoint["SubnetIds"]),
        len(endpoint["Groups"]),
    )


def gateway_routes(api: Clients, outputs: dict[str, str]) -> Any:
    tables = api("ec2").describe_route_tables(RouteTableIds=[outputs["OtherTable"]])["RouteTables"]
    return [route["GatewayId"] == outputs["Ref"] for route in tables[0]["Routes"] if "DestinationPrefixListId" in route]


def interface(action: str | None, **more: Any) -> Properties:
    document = {"PolicyDocument": policy(action, Principal="*")} if action else {}
    return {
        "VpcId": {"Ref": "Vpc"},
        "ServiceName": "com.amazonaws.us-east-1.sagemaker.api",
        "VpcEndpointType": "Interface",
        "SecurityGroupIds": [{"Ref": "Group"}],
        **document,
        **more,
    }


CASES = [
    Case(
        "AWS::EC2::InternetGateway",
        tag("red"),
        tag("blue"),
        lambda api, outputs: colour(
            api("ec2").describe_internet_gateways(InternetGatewayIds=[outputs["Ref"]])["InternetGateways"][0]["Tags"]
        ),
        "red",
        "blue",
        attributes=("InternetGatewayId",),
    ),
    Case(
        "AWS::EC2::VPCGatewayAttachment",
        {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
        {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway2"}},
        attached_vpc,
        True,
        None,
        {"Vpc": VPC, "Gateway": GATEWAY, "Gateway2": GATEWAY},
        ("AttachmentType",),
    ),
    Case(
        "AWS::EC2::EIP",
        {"Domain": "vpc", **tag("red")},
        {"Domain": "vpc", **tag("blue")},
        lambda api, outputs: colour(
            api("ec2").describe_addresses(AllocationIds=[outputs["AllocationId"]])["Addresses"][0]["Tags"]
        ),
        "red",
        "blue",
        attributes=("AllocationId", "PublicIp"),
    ),
    Case(
        "AWS::EC2::NatGateway",
        NAT["Properties"] | tag("red"),
        NAT["Properties"] | tag("blue"),
        nat_gateway,
        (True, "red"),
        (True, "blue"),
        OUTSIDE,
        ("NatGatewayId",),
    ),
    Case(
        "AWS::EC2::Route",
        {"RouteTableId": {"Ref": "Table"}, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": {"Ref": "Gateway"}},
        {"RouteTableId": {"Ref": "Table"}, "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": {"Ref": "Nat"}},
        default_route,
        ["internet"],
        ["nat"],
        OUTSIDE | {"Table": TABLE, "Nat": NAT},
        ("CidrBlock",),
    ),
    Case(
        "AWS::EC2::VPCEndpoint",
        interface("sagemaker:CreateTrainingJob", SubnetIds=[{"Ref": "Subnet"}], PrivateDnsEnabled=False),
        interface(None, SubnetIds=[{"Ref": "Subnet"}, {"Ref": "Subnet2"}], PrivateDnsEnabled=True),
        interface_endpoint,
        ("sagemaker:CreateTrainingJob", False, 1, 1),
        ("*", True, 2, 1),
        {
            "Vpc": VPC,
            "Subnet": SUBNET,
            "Subnet2": {"Type": "AWS::EC2::Subnet", "Properties": SUBNET["Properties"] | {"CidrBlock": "10.0.2.0/24"}},
            "Group": GROUP,
        },
        ("Id",),
    ),
    Case(
        "AWS::EC2::VPCEndpoint",
        {"VpcId": {"Ref": "Vpc"}, "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": []},
        {"VpcId": {"Ref": "Vpc"}, "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": [{"Ref": "Table"}]},
        gateway_routes,
        [],
        [True],
        {"Vpc": VPC, "Table": TABLE},
    ),
]
