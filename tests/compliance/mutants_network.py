"""Mutants of controls 84 to 88."""

from tests.compliance.mutant import Mutant, Stacks, add, first


def _accepted_traffic_only(stacks: Stacks) -> None:
    first(stacks, "AWS::EC2::FlowLog")["Properties"]["TrafficType"] = "ACCEPT"


def _open_default_group(stacks: Stacks) -> None:
    properties = first(stacks, "Custom::VpcRestrictDefaultSG")["Properties"]
    properties["DefaultSecurityGroupId"] = "sg-somewhere-else"


def _way_out(stacks: Stacks) -> None:
    add(stacks, "Gateway", "AWS::EC2::InternetGateway", {}, stack="Network")


def _missing_door(stacks: Stacks) -> None:
    endpoint = first(stacks, "AWS::EC2::VPCEndpoint", "/Sts")["Properties"]
    endpoint["ServiceName"] = "com.amazonaws.us-east-1.ec2"


def _logs_for_ever(stacks: Stacks) -> None:
    first(stacks, "AWS::Logs::LogGroup")["Properties"].pop("RetentionInDays")


MUTANTS: dict[int, Mutant] = {
    84: _accepted_traffic_only,
    85: _open_default_group,
    86: _way_out,
    87: _missing_door,
    88: _logs_for_ever,
}
