"""Controls 84 to 88, where the mutants do not reach: networks of our own, and of a team's."""

from typing import Any

import pytest

from hf_sagemaker.controls.network import SERVICES
from tests.compliance.small_templates import ACCOUNT, KEY, Resources, problems, resource

KEPT = resource("Logs::LogGroup", RetentionInDays=30, KmsKeyId=KEY)
TEAM_MODEL = {
    "Model": resource("SageMaker::Model", VpcConfig={"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]})
}
OURS = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT, "aws:ResourceAccount": ACCOUNT}}
ORGANISATION = {"StringEquals": {"aws:PrincipalOrgID": "o-1a2b3c4d5e", "aws:ResourceOrgID": "o-1a2b3c4d5e"}}
POLICY = {"Effect": "Allow", "Principal": "*", "Action": ["logs:PutLogEvents"], "Resource": "*", "Condition": OURS}


def _flow_log(of: Any, **properties: Any) -> dict[str, Any]:
    wanted = {"ResourceId": of, "TrafficType": "ALL", "LogGroupName": {"Ref": "Logs"}}
    return resource("EC2::FlowLog", **wanted | properties)


@pytest.mark.parametrize(
    ("log", "group", "holds"),
    [
        (_flow_log({"Ref": "Vpc"}), KEPT, True),
        (_flow_log({"Ref": "Other"}), KEPT, False),
        (_flow_log({"Ref": "Vpc"}, TrafficType="REJECT"), KEPT, False),
        (_flow_log({"Ref": "Vpc"}), resource("Logs::LogGroup", RetentionInDays=30), False),
    ],
)
def test_our_vpc_is_watched(log: dict[str, Any], group: dict[str, Any], holds: bool) -> None:
    resources = {"Vpc": resource("EC2::VPC"), "Other": resource("EC2::VPC"), "FlowLog": log, "Logs": group}
    resources["OtherLog"] = _flow_log({"Ref": "Other"})
    assert (problems(84, resources) == []) is holds


def test_the_teams_subnets_that_are_used_are_watched() -> None:
    logs: Resources = {"Logs": KEPT, "First": _flow_log("subnet-1")}
    assert "subnet-2" in problems(84, TEAM_MODEL | logs)[0]
    assert problems(84, TEAM_MODEL | logs | {"Second": _flow_log("subnet-2")}) == []


@pytest.mark.parametrize("number", [85, 86, 87])
def test_a_vpc_of_the_teams_is_theirs_to_answer_for(number: int) -> None:
    assert problems(number, TEAM_MODEL) == []


@pytest.mark.parametrize(
    "way_out",
    [
        resource("EC2::NatGateway"),
        resource("EC2::EgressOnlyInternetGateway"),
        resource("EC2::VPCPeeringConnection"),
        resource("EC2::Subnet", MapPublicIpOnLaunch=True),
        resource("EC2::Route", GatewayId="igw-1"),
    ],
)
def test_every_way_out_is_found(way_out: dict[str, Any]) -> None:
    assert problems(86, {"Vpc": resource("EC2::VPC"), "Way": way_out})


# --- 87: doors ---

NAMED = {"Effect": "Allow", "Principal": "*", "Resource": "arn:aws:ecr:us-east-1:999999999999:repository/base"}


def _doors(*services: str, policy: dict[str, Any] | None = POLICY, **rule: Any) -> Resources:
    document = {} if policy is None else {"PolicyDocument": {"Statement": [policy]}}
    wanted = {"FromPort": 443, "ToPort": 443, "SourceSecurityGroupId": "sg-jobs", "GroupId": {"Ref": "Group"}}
    doors: Resources = {
        "Vpc": resource("EC2::VPC"),
        "Group": resource("EC2::SecurityGroup"),
        "Rule": resource("EC2::SecurityGroupIngress", **wanted | rule),
    }
    for i, service in enumerate(services or SERVICES):
        kind = (
            {"VpcEndpointType": "Gateway"}
            if service == "s3"
            else {"VpcEndpointType": "Interface", "SecurityGroupIds": [{"Ref": "Group"}]}
        )
        doors[f"Door{i}"] = resource(
            "EC2::VPCEndpoint", ServiceName=f"com.amazonaws.us-east-1.{service}", **kind, **document
        )
    return doors


def test_doors_for_all_are_accepted() -> None:
    assert problems(87, _doors()) == []


@pytest.mark.parametrize("service", SERVICES)
def test_each_door_is_needed(service: str) -> None:
    assert service in problems(87, _doors(*(other for other in SERVICES if other != service)))[-1]


@pytest.mark.parametrize(
    ("policy", "holds"),
    [
        (POLICY, True),
        (POLICY | {"Condition": ORGANISATION}, True),
        (POLICY | {"Condition": {**OURS, "StringEqualsIfExists": {"aws:ResourceAccount": ACCOUNT}}}, True),
        ({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::layers/*"}, True),
        ({"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::layers/*"}, False),
        ({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}, False),
        (NAMED | {"Action": ["ecr:BatchGetImage", "codeartifact:ReadFromRepository"]}, True),
        (NAMED | {"Action": "ecr:BatchDeleteImage"}, False),
        (NAMED | {"Action": "codeartifact:PublishPackageVersion"}, False),
        (POLICY | {"Action": "logs:*"}, False),
        (POLICY | {"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, False),
        (POLICY | {"Condition": {"StringEquals": OURS["StringEquals"] | {"aws:PrincipalAccount": "9"}}}, False),
        (None, False),
    ],
)
def test_doors_admit_ours_to_ours(policy: dict[str, Any] | None, holds: bool) -> None:
    assert (problems(87, _doors(policy=policy)) == []) is holds


@pytest.mark.parametrize(
    "rule",
    [
        {"FromPort": 0, "ToPort": 65535},
        {"SourceSecurityGroupId": None, "CidrIp": "0.0.0.0/0"},
        {"GroupId": "sg-another"},
    ],
)
def test_doors_are_reached_on_443_from_groups(rule: dict[str, Any]) -> None:
    assert problems(87, _doors(**rule))


def test_shared_doors_need_no_own_ones_but_own_ones_are_complete() -> None:
    doors = {name: door for name, door in _doors("logs").items() if name != "Vpc"}
    missing = problems(87, TEAM_MODEL | doors)
    assert any("kms" in problem for problem in missing)
    assert not any("s3" in problem for problem in missing)


@pytest.mark.parametrize(
    ("resources", "holds"),
    [
        ({"Logs": KEPT}, True),
        ({"Logs": resource("Logs::LogGroup", RetentionInDays=30)}, False),
        ({"Logs": resource("Logs::LogGroup", RetentionInDays=30, KmsKeyId="alias/logs")}, False),
        ({"Logs": KEPT, "Function": resource("Lambda::Function")}, False),
        ({"Logs": KEPT, "Function": resource("Lambda::Function", LoggingConfig={"LogGroup": {"Ref": "Logs"}})}, True),
    ],
)
def test_logs_are_kept(resources: Resources, holds: bool) -> None:
    assert (problems(88, resources) == []) is holds
