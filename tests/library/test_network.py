"""A network of our own: as it comes, and in each mode."""

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template
from policy_sentry.querying.actions import get_actions_for_service

from hf_sagemaker.build_traffic import BuildTraffic
from hf_sagemaker.endpoint_policies import ACTIONS, BUILD_ACTIONS, Perimeter
from hf_sagemaker.network import PrivateNetwork
from hf_sagemaker.package_sources import CodeArtifact, PackageSources
from hf_sagemaker.vpc_endpoints import SERVICES

LAMBDA = Path(__file__).parents[2] / "lambda"
ZONES = ["us-east-1a", "us-east-1b"]
MODES = ["none", "nat", "mirror-only"]


def _network(stack: Any, **options: Any) -> PrivateNetwork:
    options = {"availability_zones": ZONES, "key": stack.key, "function_root": LAMBDA} | options
    return PrivateNetwork(stack, "Network", **options)


def _of_type(stack: Any, kind: str) -> dict[str, Any]:
    """Logical id → properties."""
    found = Template.from_stack(stack).find_resources(kind)
    return {name: resource["Properties"] for name, resource in found.items()}


def _subnets(stack: Any) -> dict[str, str]:
    return {name: subnet["CidrBlock"] for name, subnet in _of_type(stack, "AWS::EC2::Subnet").items()}


def _way_out(stack: Any, subnet: Any) -> str | None:
    """What the subnet's route to everywhere leads to: GatewayId, NatGatewayId, or None without such a route."""
    table = stack.resolve(subnet.route_table.route_table_id)
    for route in _of_type(stack, "AWS::EC2::Route").values():
        if route["RouteTableId"] == table:
            assert route["DestinationCidrBlock"] == "0.0.0.0/0"
            return "NatGatewayId" if "NatGatewayId" in route else "GatewayId"
    return None


def _endpoints(stack: Any) -> dict[str, Any]:
    """The end of the service's name → properties."""
    return {
        json.dumps(e["ServiceName"]).strip('"]}').split(".", 3)[-1].removeprefix("us-east-1."): e
        for e in _of_type(stack, "AWS::EC2::VPCEndpoint").values()
    }


def _group_id(stack: Any, placement: Any) -> Any:
    (group,) = placement.security_groups
    return stack.resolve(group.security_group_id)


def test_by_default_nothing_leads_out(stack: Any) -> None:
    network = _network(stack)
    for kind in ("InternetGateway", "NatGateway", "EIP", "Route", "VPCGatewayAttachment"):
        assert not _of_type(stack, f"AWS::EC2::{kind}")
    assert network.mirror is None


def test_by_default_flow_logs_are_kept_a_month_and_for_ever_after_deletion(stack: Any) -> None:
    network = _network(stack)
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"})
    template.all_resources("AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": 30}, "DeletionPolicy": "Retain"})
    vpc = {"Ref": stack.get_logical_id(network.vpc.node.default_child)}
    template.has_resource_properties("AWS::EC2::FlowLog", {"TrafficType": "ALL", "ResourceId": vpc})


def test_as_asked(stack: Any) -> None:
    _network(
        stack,
        availability_zones=["us-east-1b", "us-east-1c"],
        cidr="10.7.0.0/20",
        flow_log_retention=logs.RetentionDays.ONE_YEAR,
        removal_policy=RemovalPolicy.DESTROY,
    )
    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::EC2::VPC", {"CidrBlock": "10.7.0.0/20"})
    template.has_resource_properties("AWS::EC2::Subnet", {"AvailabilityZone": "us-east-1c"})
    template.has_resource("AWS::Logs::LogGroup", {"Properties": {"RetentionInDays": 365}, "DeletionPolicy": "Delete"})


def test_flow_logs_are_encrypted_and_written_for_this_account_only(stack: Any) -> None:
    _network(stack)
    (flow_log,) = _of_type(stack, "AWS::EC2::FlowLog").values()
    group = _of_type(stack, "AWS::Logs::LogGroup")[flow_log["LogGroupName"]["Ref"]]
    assert group["KmsKeyId"] == stack.key.key_arn
    role_id = flow_log["DeliverLogsPermissionArn"]["Fn::GetAtt"][0]
    (trust,) = _of_type(stack, "AWS::IAM::Role")[role_id]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": "arn:aws:ec2:us-east-1:123456789012:vpc-flow-log/*"},
    }


@pytest.mark.parametrize("egress", MODES)
def test_no_policy_is_inline(stack: Any, egress: str) -> None:
    _network(stack, egress=egress)
    assert not _of_type(stack, "AWS::IAM::Policy")


@pytest.mark.parametrize(
    ("egress", "jobs", "mirror"),
    [("none", None, None), ("nat", "NatGatewayId", "NatGatewayId"), ("mirror-only", None, "NatGatewayId")],
)
def test_only_whom_the_mode_names_gets_out(stack: Any, egress: str, jobs: str | None, mirror: str | None) -> None:
    network = _network(stack, egress=egress)
    for placement in (network.jobs, network.endpoints):
        assert {_way_out(stack, subnet) for subnet in placement.subnets} == {jobs}
    if network.mirror:
        assert {_way_out(stack, subnet) for subnet in network.mirror.subnets} == {mirror}
        # its group is its own: no job is let through where the mirror is
        assert _group_id(stack, network.mirror) not in [
            _group_id(stack, network.jobs),
            _group_id(stack, network.endpoints),
        ]
    else:
        assert mirror is None


@pytest.mark.parametrize("egress", ["nat", "mirror-only"])
def test_public_subnets_hand_out_no_public_addresses(stack: Any, egress: str) -> None:
    network = _network(stack, egress=egress)
    assert {_way_out(stack, subnet) for subnet in network.vpc.public_subnets} == {"GatewayId"}
    for subnet in _of_type(stack, "AWS::EC2::Subnet").values():
        assert subnet["MapPublicIpOnLaunch"] is False


def test_jobs_with_a_way_out_do_not_depend_on_another_zone(stack: Any) -> None:
    _network(stack, egress="nat")
    gateways = _of_type(stack, "AWS::EC2::NatGateway").values()
    assert len({json.dumps(gateway["SubnetId"]) for gateway in gateways}) == len(ZONES)


def test_a_change_of_the_mode_moves_no_private_subnet(new_stack: Any) -> None:
    layouts = []
    for egress in MODES:
        stack = new_stack()
        _network(stack, egress=egress)
        layouts.append({name: cidr for name, cidr in _subnets(stack).items() if "Private" in name})
    assert layouts[0]
    assert layouts[0] == layouts[1] == layouts[2]


def test_subnets_do_not_overlap(stack: Any) -> None:
    _network(stack, egress="mirror-only", cidr="10.0.0.0/24")
    subnets = [IPv4Network(cidr) for cidr in _subnets(stack).values()]
    assert not [(a, b) for a in subnets for b in subnets if a != b and a.overlaps(b)]
    assert all(subnet.subnet_of(IPv4Network("10.0.0.0/24")) for subnet in subnets)


@pytest.mark.parametrize("egress", MODES)
def test_workloads_open_443_only_and_nothing_reaches_endpoints(stack: Any, egress: str) -> None:
    network = _network(stack, egress=egress)
    groups = _of_type(stack, "AWS::EC2::SecurityGroup")
    ours = [p for p in (network.jobs, network.endpoints, network.mirror) if p]
    for placement in ours:
        (rule,) = groups[_group_id(stack, placement)["Fn::GetAtt"][0]]["SecurityGroupEgress"]
        assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)
    ingress = _of_type(stack, "AWS::EC2::SecurityGroupIngress").values()
    reached = [rule["GroupId"] for rule in ingress]
    assert _group_id(stack, network.endpoints) not in reached
    # jobs are reached by jobs, on every port and by the encryption between instances
    among_jobs = [rule for rule in ingress if rule["GroupId"] == _group_id(stack, network.jobs)]
    assert {rule["SourceSecurityGroupId"]["Fn::GetAtt"][0] for rule in among_jobs} == {
        _group_id(stack, network.jobs)["Fn::GetAtt"][0]
    }
    protocols = {(rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort")) for rule in among_jobs}
    assert protocols == {("tcp", 0, 65535), ("udp", 500, 500), ("50", None, None)}
    # services by every workload, on 443
    services = [rule for rule in ingress if rule not in among_jobs]
    assert [rule["SourceSecurityGroupId"] for rule in services] == [_group_id(stack, p) for p in ours]
    assert {(rule["FromPort"], rule["ToPort"]) for rule in services} == {(443, 443)}


def test_nothing_that_workloads_did_not_send_reaches_services(stack: Any) -> None:
    _network(stack)
    for group in _of_type(stack, "AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group


@pytest.mark.parametrize("egress", MODES)
def test_every_route_table_of_a_workload_knows_s3(stack: Any, egress: str) -> None:
    network = _network(stack, egress=egress)
    tables = _endpoints(stack)["s3"]["RouteTableIds"]
    for placement in (network.jobs, network.endpoints, network.mirror):
        for subnet in placement.subnets if placement else ():
            assert stack.resolve(subnet.route_table.route_table_id) in tables
    assert len({json.dumps(table) for table in tables}) == len(tables)


def test_buckets_can_name_the_s3_endpoint(stack: Any) -> None:
    network = _network(stack)
    name = stack.resolve(network.s3_endpoint_id)["Ref"]
    assert _of_type(stack, "AWS::EC2::VPCEndpoint")[name]["VpcEndpointType"] == "Gateway"


@pytest.mark.parametrize(("zones", "count"), [("all", 2), ("one", 1)])
def test_interface_endpoints_are_in_as_many_zones_as_are_paid_for(stack: Any, zones: str, count: int) -> None:
    network = _network(stack, endpoint_zones=zones)
    expected = [stack.resolve(subnet_id) for subnet_id in network.jobs.subnet_ids[:count]]
    interface = [e for e in _endpoints(stack).values() if e["VpcEndpointType"] == "Interface"]
    assert interface
    for endpoint in interface:
        assert endpoint["SubnetIds"] == expected
        assert endpoint["PrivateDnsEnabled"] is True


def test_every_endpoint_admits_this_accounts_principals_and_resources_only(stack: Any) -> None:
    _network(stack)
    for name, endpoint in _endpoints(stack).items():
        statements = [
            s for s in endpoint["PolicyDocument"]["Statement"] if s.get("Sid") != "ReadImageLayers" or name != "s3"
        ]
        assert statements
        for statement in statements:
            assert statement["Condition"] == {
                "StringEquals": {"aws:PrincipalAccount": "123456789012"},
                "StringEqualsIfExists": {"aws:ResourceAccount": "123456789012"},
            }


def test_an_organisation_is_admitted_but_no_account_outside_of_one(stack: Any) -> None:
    _network(stack, perimeter=Perimeter(organization_id="o-a1b2c3d4e5"))
    for name, endpoint in _endpoints(stack).items():
        conditions = [
            s["Condition"]
            for s in endpoint["PolicyDocument"]["Statement"]
            if s.get("Sid") != "ReadImageLayers" or name != "s3"
        ]
        # A resource outside of any organisation has no aws:ResourceOrgID: IfExists would let it through.
        assert conditions == [
            {
                "StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
                "StringEqualsIfExists": {"aws:ResourceAccount": "123456789012"},
            },
            {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5", "aws:ResourceOrgID": "o-a1b2c3d4e5"}},
        ]


def test_beyond_the_account_s3_gives_image_layers_and_named_buckets_to_read(stack: Any) -> None:
    bucket = s3.Bucket.from_bucket_name(stack, "Theirs", "their-data")
    _network(stack, perimeter=Perimeter(readable_buckets=[bucket]))
    beyond = {s["Sid"]: s for s in _endpoints(stack)["s3"]["PolicyDocument"]["Statement"] if s["Resource"] != "*"}
    assert beyond["ReadImageLayers"]["Resource"] == "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"
    assert beyond["ReadImageLayers"]["Action"] == "s3:GetObject"
    assert beyond["ReadBucketsOutside"]["Resource"] == ["arn:aws:s3:::their-data", "arn:aws:s3:::their-data/*"]
    assert not [a for a in beyond["ReadBucketsOutside"]["Action"] if not a.startswith(("s3:Get", "s3:List"))]
    assert beyond["ReadBucketsOutside"]["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}


def test_actions_are_decided_for_every_endpoint_and_exist() -> None:
    assert set(ACTIONS) == set(SERVICES) | {"S3"}
    for actions in (ACTIONS | BUILD_ACTIONS).values():
        known = {a.lower() for a in get_actions_for_service(actions[0].split(":")[0])}
        assert not [a for a in actions if a.lower() not in known]


@pytest.mark.parametrize(
    "action",
    [
        "ecr:PutImage",
        "kms:ScheduleKeyDeletion",
        "kms:PutKeyPolicy",
        "logs:DeleteLogGroup",
        "logs:PutRetentionPolicy",
        "s3:PutBucketPolicy",
        "s3:DeleteObjectVersion",
        "sagemaker:CreateEndpoint",
        "sagemaker:UpdateModelPackage",
        "sts:AssumeRoleWithWebIdentity",
    ],
)
def test_services_are_used_through_the_network_but_not_administered(action: str) -> None:
    assert not [name for name, actions in ACTIONS.items() if action in actions]


def _builds(**packages: Any) -> Perimeter:
    bases = [("763104351884", "huggingface-pytorch-training")]
    return Perimeter(builds=BuildTraffic(pushed="team/*", bases=bases, packages=PackageSources(**packages)))


def test_builds_have_a_group_of_their_own_only_when_they_are_asked_for(stack: Any, new_stack: Any) -> None:
    assert _network(stack).builds is None
    other = new_stack()
    builds = _network(other, perimeter=_builds()).builds
    assert builds is not None
    assert set(_endpoints(other)) - set(_endpoints(stack)) == {"ssm"}


def test_codeartifact_gives_packages_of_one_repository_to_read(stack: Any) -> None:
    artifact = CodeArtifact(domain="packages", repository="pypi", owner="999988887777", region="us-east-1")
    _network(stack, perimeter=_builds(code_artifact=artifact))
    for name in ("codeartifact.api", "codeartifact.repositories"):
        (statement,) = _endpoints(stack)[name]["PolicyDocument"]["Statement"]
        assert statement["Resource"] == [artifact.domain_arn, artifact.repository_arn]
        assert statement["Action"] == ["codeartifact:GetAuthorizationToken", "codeartifact:ReadFromRepository"]
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}


def test_without_builds_nobody_pushes_or_pulls_foreign_images_through_the_network(stack: Any) -> None:
    _network(stack)
    for name in ("ecr.api", "ecr.dkr"):
        assert [s["Sid"] for s in _endpoints(stack)[name]["PolicyDocument"]["Statement"]] == ["UseThisAccount"]


def test_the_default_security_group_is_closed_by_a_function_that_can_close_no_other(stack: Any) -> None:
    network = _network(stack)
    group = {"Fn::GetAtt": [stack.get_logical_id(network.vpc.node.default_child), "DefaultSecurityGroup"]}
    Template.from_stack(stack).has_resource_properties(
        "Custom::VpcRestrictDefaultSG", {"DefaultSecurityGroupId": group, "ServiceTimeout": "300"}
    )
    changing = [
        statement["Resource"]
        for policy in _of_type(stack, "AWS::IAM::ManagedPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "ec2:Revoke" in json.dumps(statement["Action"])
    ]
    assert changing == [{"Fn::Join": ["", ["arn:aws:ec2:us-east-1:123456789012:security-group/", group]]}]
