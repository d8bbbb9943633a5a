"""A network that the team has already: used as it is, looked up by nobody."""

import json
from typing import Any

import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Match, Template

from hf_sagemaker.build_traffic import BuildTraffic
from hf_sagemaker.endpoint_policies import Perimeter
from hf_sagemaker.package_sources import PackageSources
from hf_sagemaker.team_network import TeamNetwork


def _network(stack: Any, **options: Any) -> TeamNetwork:
    placement = stack.placement
    options = {"route_table_ids": ["rtb-1"]} | options
    return TeamNetwork(stack, "Network", vpc=placement.vpc, subnets=placement.subnets, key=stack.key, **options)


def _of_type(stack: Any, kind: str) -> list[Any]:
    return [r["Properties"] for r in Template.from_stack(stack).find_resources(kind).values()]


def test_nothing_of_the_teams_is_created_or_routed(stack: Any) -> None:
    _network(stack)
    for kind in ("VPC", "Subnet", "RouteTable", "Route", "InternetGateway", "NatGateway", "NetworkAcl"):
        assert not _of_type(stack, f"AWS::EC2::{kind}")


def test_workloads_go_into_the_teams_subnets(stack: Any) -> None:
    network = _network(stack)
    for placement in (network.jobs, network.endpoints):
        assert placement.subnet_ids == ["subnet-1", "subnet-2"]
        assert placement.vpc.vpc_id == "vpc-1"
    assert network.mirror is None


def test_by_default_groups_and_endpoints_are_created(stack: Any) -> None:
    network = _network(stack)
    endpoints = _of_type(stack, "AWS::EC2::VPCEndpoint")
    (s3,) = [e for e in endpoints if e["VpcEndpointType"] == "Gateway"]
    assert s3["RouteTableIds"] == ["rtb-1"]
    for endpoint in endpoints:
        assert endpoint["VpcId"] == "vpc-1"
        assert "aws:PrincipalAccount" in json.dumps(endpoint["PolicyDocument"])
        assert endpoint["VpcEndpointType"] == "Gateway" or endpoint["SubnetIds"] == ["subnet-1", "subnet-2"]
    assert "Ref" in stack.resolve(network.s3_endpoint_id)
    assert {g["VpcId"] for g in _of_type(stack, "AWS::EC2::SecurityGroup")} == {"vpc-1"}


def test_the_teams_own_security_groups_reach_the_endpoints(stack: Any) -> None:
    (group,) = stack.placement.security_groups
    other = ec2.SecurityGroup.from_security_group_id(stack, "Other", "sg-2", mutable=False)
    network = _network(stack, job_security_groups=[group, other], endpoint_security_groups=[group])
    assert network.jobs.security_group_ids == ["sg-1", "sg-2"]
    assert network.endpoints.security_group_ids == ["sg-1"]
    # Then only the group of the endpoints is new, and admits both
    (services,) = _of_type(stack, "AWS::EC2::SecurityGroup")
    rules = [*services.get("SecurityGroupIngress", []), *_of_type(stack, "AWS::EC2::SecurityGroupIngress")]
    assert {rule["SourceSecurityGroupId"] for rule in rules} == {"sg-1", "sg-2"}
    assert {(rule["FromPort"], rule["ToPort"]) for rule in rules} == {(443, 443)}


def test_the_teams_s3_endpoint_is_the_one_that_buckets_name(stack: Any) -> None:
    theirs = ec2.GatewayVpcEndpoint.from_gateway_vpc_endpoint_id(stack, "S3", "vpce-1")
    network = _network(stack, route_table_ids=[], s3_endpoint=theirs)
    assert network.s3_endpoint_id == "vpce-1"
    assert "Gateway" not in {e["VpcEndpointType"] for e in _of_type(stack, "AWS::EC2::VPCEndpoint")}


def test_shared_endpoints_are_not_created_again(stack: Any) -> None:
    theirs = ec2.GatewayVpcEndpoint.from_gateway_vpc_endpoint_id(stack, "S3", "vpce-1")
    _network(stack, route_table_ids=[], s3_endpoint=theirs, interface_endpoints="shared")
    assert not _of_type(stack, "AWS::EC2::VPCEndpoint")


def test_one_zone_is_the_first(stack: Any) -> None:
    _network(stack, interface_endpoints="one")
    subnets = [e["SubnetIds"] for e in _of_type(stack, "AWS::EC2::VPCEndpoint") if e["VpcEndpointType"] == "Interface"]
    assert subnets
    assert {tuple(ids) for ids in subnets} == {("subnet-1",)}


def test_each_subnet_has_flow_logs_of_ours_encrypted(stack: Any) -> None:
    _network(stack)
    flow_logs = _of_type(stack, "AWS::EC2::FlowLog")
    assert [log["ResourceId"] for log in flow_logs] == ["subnet-1", "subnet-2"]
    assert {log["ResourceType"] for log in flow_logs} == {"Subnet"}
    Template.from_stack(stack).all_resources_properties("AWS::Logs::LogGroup", {"KmsKeyId": Match.any_value()})


def test_builds_run_behind_a_group_of_ours_or_of_the_teams(stack: Any, new_stack: Any) -> None:
    packages = PackageSources(index="https://packages.example.com:8443/simple")
    perimeter = Perimeter(builds=BuildTraffic(pushed="team/*", bases=[], packages=packages))
    ours = _network(stack, perimeter=perimeter).builds
    assert ours is not None
    groups = _of_type(stack, "AWS::EC2::SecurityGroup")
    (group,) = [each for each in groups if each["GroupDescription"] == "Builds of images"]
    assert [rule["FromPort"] for rule in group["SecurityGroupEgress"]] == [443, 8443]

    other = new_stack()
    named = ec2.SecurityGroup.from_security_group_id(other, "Builds", "sg-9", mutable=False)
    theirs = _network(other, perimeter=perimeter, build_security_groups=[named]).builds
    assert theirs is not None
    assert theirs.security_group_ids == ["sg-9"]


def test_without_a_way_to_s3_it_is_refused(stack: Any) -> None:
    with pytest.raises(ValueError, match="s3_endpoint and route_table_ids are both empty"):
        _network(stack, route_table_ids=[])
