"""Controls 84 to 88: a network that is watched, closed, and has a door for each service, and logs that are kept."""

from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.control import Breach, Control, Missing, Proof, judge
from hf_sagemaker.controls.customer_keys import LOG_GROUP, is_customer_key, is_kept, log_group
from hf_sagemaker.controls.messaging import FUNCTION
from hf_sagemaker.controls.policies import Statement, condition
from hf_sagemaker.controls.subnets import VPC, leads_outside, of_the_team, placements
from hf_sagemaker.controls.templates import Resource, Templates, statements

ENDPOINT = "AWS::EC2::VPCEndpoint"
GROUP = "AWS::EC2::SecurityGroup"
SERVICES = (
    "ecr.api",
    "ecr.dkr",
    "kms",
    "logs",
    "monitoring",
    "s3",
    "sagemaker.api",
    "sagemaker.runtime",
    "sts",
)
"""What jobs, builds and callers reach, each by the end of its endpoint's service name."""
_WAYS_OUT = (
    "AWS::EC2::CarrierGateway",
    "AWS::EC2::EgressOnlyInternetGateway",
    "AWS::EC2::EIP",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::TransitGatewayAttachment",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::EC2::VPNGateway",
)
_CALLERS = ("aws:PrincipalAccount", "aws:PrincipalOrgID")
_OWNERS = ("aws:ResourceAccount", "aws:ResourceOrgID")
_EQUALS = ("StringEquals", "StringEqualsIfExists")
_READING = ("BatchCheck", "BatchGet", "Describe", "Get", "List", "Read")


def is_watched(templates: Templates) -> Iterator[Proof | Breach]:
    """Who talked to whom is logged, refused or not: in our VPC, or in the subnets of the team's that are used."""
    vpcs = list(templates.resources(VPC))
    for vpc in vpcs:
        logged = any(vpc.is_named_by(log.properties.get("ResourceId")) for log in _flow_logs(templates))
        yield judge(vpc, logged, "needs a flow log of all traffic to an encrypted log group of this environment.")
    if not vpcs:
        logged_ids = {str(log.properties.get("ResourceId")) for log in _flow_logs(templates)}
        for resource, placement in placements(templates):
            silent = [subnet for subnet in placement.get("Subnets", []) if subnet not in logged_ids]
            yield judge(resource, not silent, f"uses {', '.join(map(str, silent))}, which has no flow log of ours.")


def _flow_logs(templates: Templates) -> list[Resource]:
    """Those that log everything, and are kept as log groups have to be."""
    found = []
    for log in templates.resources("AWS::EC2::FlowLog"):
        group = log_group(templates, log.properties.get("LogGroupName", log.properties.get("LogDestination")))
        if log.properties.get("TrafficType") == "ALL" and group is not None and is_kept(templates, group):
            found.append(log)
    return found


def closes_default_group(templates: Templates) -> Iterator[Proof | Breach]:
    """What is started without a security group gets one that reaches nothing."""
    for vpc in templates.resources(VPC):
        closed = any(
            custom.properties.get("DefaultSecurityGroupId") == vpc.reference("DefaultSecurityGroup")
            for custom in templates.resources("Custom::VpcRestrictDefaultSG")
        )
        yield judge(vpc, closed, "needs Custom::VpcRestrictDefaultSG for its default security group.")
    yield from of_the_team(templates, "The VPC is the team's, whose owner answers for its default security group.")


def has_no_way_out(templates: Templates) -> Iterator[Proof | Breach]:
    """There is no gateway to the outside and no public subnet; where settings ask for one, it is acknowledged."""
    for resource in templates.resources(*_WAYS_OUT):
        yield Breach(resource, "is a way out of the network; there must be none unless settings ask for it.")
    for subnet in templates.resources("AWS::EC2::Subnet"):
        private = subnet.properties.get("MapPublicIpOnLaunch", False) is False
        yield judge(subnet, private, "hands out public addresses; MapPublicIpOnLaunch must be false.")
    for route in templates.resources("AWS::EC2::Route"):
        if leads_outside(templates, route):
            yield Breach(route, "leads out of the network; there must be no such route unless settings ask for it.")
    yield from of_the_team(templates, "The VPC is the team's, whose owner answers for its routes.")


def has_a_door_for_each_service(templates: Templates) -> Iterator[Proof | Breach | Missing]:
    """Every service that is needed has an endpoint, which admits our principals to our resources, from our groups."""
    endpoints = list(templates.resources(ENDPOINT))
    own_vpc = next(templates.resources(VPC), None) is not None
    interfaces = [endpoint for endpoint in endpoints if endpoint.properties.get("VpcEndpointType") == "Interface"]
    if own_vpc or interfaces:
        needed = SERVICES if own_vpc else [service for service in SERVICES if service != "s3"]
        names = [str(endpoint.properties.get("ServiceName")) for endpoint in endpoints]
        for service in needed:
            if not any(name.endswith(f".{service}") for name in names):
                yield Missing(f"a VPC endpoint for {service}, or jobs hang on it")
    else:
        yield from of_the_team(templates, "The VPC is the team's, whose interface endpoints are shared.")
    for endpoint in endpoints:
        faults = [*_policy_faults(templates, endpoint), *_door_faults(templates, endpoint)]
        yield judge(endpoint, not faults, f"{'; '.join(faults)}.")


def _policy_faults(templates: Templates, endpoint: Resource) -> Iterator[str]:
    document = endpoint.properties.get("PolicyDocument")
    if not document:
        yield "has the default policy, which admits everybody to everything"
        return
    for statement in statements(document):
        if statement.get("Effect") == "Allow" and not _is_limited(templates, statement):
            yield f"statement {statement.get('Sid', '')} admits principals or resources of any account"


def _is_limited(templates: Templates, statement: Statement) -> bool:
    """Whether principals and resources are ours, or it only reads what is named (images, packages, a team's bucket)."""
    if "NotAction" in statement or any("*" in str(action) for action in statement.get("Action", ["*"])):
        return False
    ours = all(
        any(_are_ours(templates, condition(statement, key, *_EQUALS)) for key in keys) for keys in (_CALLERS, _OWNERS)
    )
    verbs = [str(action).split(":")[1] for action in statement["Action"]]
    reads = all(verb.startswith(_READING) for verb in verbs)
    named = all(str(resource).strip("*") for resource in statement.get("Resource", ["*"]))
    return ours or (reads and named)


def _are_ours(templates: Templates, values: list[Any]) -> bool:
    return bool(values) and all(value == templates.account or str(value).startswith("o-") for value in values)


def _door_faults(templates: Templates, endpoint: Resource) -> Iterator[str]:
    """An interface endpoint is reached on port 443, from security groups that are named."""
    if endpoint.properties.get("VpcEndpointType") != "Interface":
        return
    groups = [templates.find(group) for group in endpoint.properties.get("SecurityGroupIds") or []]
    if not groups or any(group is None for group in groups):
        yield "needs a security group of this environment"
    for group in groups:
        if group is not None:
            rules = list(_ingress(templates, group))
            if not rules:
                yield f"nobody reaches it: {group.path} has no ingress rule"
            for rule in rules:
                if (rule.get("FromPort"), rule.get("ToPort")) != (443, 443) or not rule.get("SourceSecurityGroupId"):
                    yield f"{group.path} admits more than port 443 from a security group: {_describe(rule)}"


def _ingress(templates: Templates, group: Resource) -> Iterator[Mapping[str, Any]]:
    yield from group.properties.get("SecurityGroupIngress") or []
    for rule in templates.resources("AWS::EC2::SecurityGroupIngress"):
        if group.is_named_by(rule.properties.get("GroupId")):
            yield rule.properties


def _describe(rule: Mapping[str, Any]) -> str:
    source = next((rule[key] for key in ("CidrIp", "CidrIpv6", "SourceSecurityGroupId") if rule.get(key)), "anywhere")
    return f"{source} on {rule.get('FromPort', 'all ports')}"


def keeps_logs(templates: Templates) -> Iterator[Proof | Breach]:
    """Every log group is encrypted and kept for a known time, and no function makes one of its own."""
    for group in templates.resources(LOG_GROUP):
        days = group.properties.get("RetentionInDays")
        yield judge(group, isinstance(days, int) and days > 0, "keeps its lines for ever; it needs RetentionInDays.")
        ours = is_customer_key(templates, group.properties.get("KmsKeyId"))
        yield judge(group, ours, "KmsKeyId must be a customer managed key.")
    for function in templates.resources(FUNCTION):
        own = log_group(templates, function.properties.get("LoggingConfig", {}).get("LogGroup"))
        yield judge(function, own is not None, "makes a log group of its own; LoggingConfig must name one of ours.")


CONTROLS = (
    Control(84, "flow logs", "SH EC2.6, AS-VPC7", is_watched),
    Control(85, "default SG closed", "SH EC2.2", closes_default_group),
    Control(86, "no public subnets / IGW / NAT by default", "SH EC2.15, PCI", has_no_way_out),
    Control(
        87,
        "endpoint SG ingress 443 from workload SG only; endpoints for sagemaker.api/runtime, ecr.api, ecr.dkr, logs, "
        "sts, kms, monitoring, s3(GW); each with non-default policy",
        "SH EC2.18/.19, EC2.55/.56",
        has_a_door_for_each_service,
    ),
    Control(88, "every LogGroup has retention + CMK (no auto-created ones)", "R5 CloudWatchLogGroup*", keeps_logs),
)
