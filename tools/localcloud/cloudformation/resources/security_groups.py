"""Security groups, with their rules inside or beside them."""

from typing import Any, ClassVar

from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceType,
    delete_if_there,
)
from localcloud.cloudformation.resources.network import retag, tag_specifications


def ip_permission(rule: Properties) -> dict[str, Any]:
    """A rule of a template as EC2's API writes it."""
    permission: dict[str, Any] = {"IpProtocol": str(rule["IpProtocol"])}
    # Protocols by number have no ports, and EC2 asks for none; moto does.
    portless = permission["IpProtocol"].isdigit()
    for port in ("FromPort", "ToPort"):
        if port in rule or portless:
            permission[port] = int(rule.get(port, -1))
    described = {"Description": rule["Description"]} if "Description" in rule else {}
    group = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
    prefixes = rule.get("SourcePrefixListId") or rule.get("DestinationPrefixListId")
    if "CidrIp" in rule:
        permission["IpRanges"] = [{"CidrIp": rule["CidrIp"]} | described]
    if "CidrIpv6" in rule:
        permission["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"]} | described]
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": group} | described]
    if prefixes:
        permission["PrefixListIds"] = [{"PrefixListId": prefixes} | described]
    return permission


ALLOW_ALL = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}


class SecurityGroup(ResourceType):
    type_name = "AWS::EC2::SecurityGroup"
    replaced_by = frozenset({"GroupName", "GroupDescription", "VpcId"})

    def create(self, request: Request) -> Deployed:
        name = request.name("GroupName", longest=255)
        arguments = {"VpcId": request.properties["VpcId"]} if "VpcId" in request.properties else {}
        group_id = request.api("ec2").create_security_group(
            GroupName=name,
            Description=request.properties["GroupDescription"],
            TagSpecifications=tag_specifications(request, "security-group"),
            **arguments,
        )["GroupId"]
        attributes = {"GroupId": group_id, "Id": group_id, "VpcId": request.properties.get("VpcId", "")}
        deployed = Deployed(group_id, attributes)
        request.exists(deployed)
        # EC2 gives every new group a rule that lets everything out; the template's rules stand instead of it.
        self._change_rules(request, group_id, {})
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._change_rules(request, deployed.physical_id, before)
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_security_group, GroupId=deployed.physical_id)

    def _change_rules(self, request: Request, group_id: str, before: Properties) -> None:
        ec2 = request.api("ec2")
        for direction, revoke, authorize in (
            ("Ingress", ec2.revoke_security_group_ingress, ec2.authorize_security_group_ingress),
            ("Egress", ec2.revoke_security_group_egress, ec2.authorize_security_group_egress),
        ):
            default = [ALLOW_ALL] if direction == "Egress" else []
            were = before.get(f"SecurityGroup{direction}") or default
            are = request.properties.get(f"SecurityGroup{direction}") or default
            for rule in were:
                if rule not in are:
                    delete_if_there(revoke, GroupId=group_id, IpPermissions=[ip_permission(rule)])
            for rule in are:
                if rule not in were:
                    authorize(GroupId=group_id, IpPermissions=[ip_permission(rule)])


class _Rule(ResourceType):
    """A rule beside its group. Only its description can change."""

    direction: ClassVar[str]

    def must_replace(self, before: Properties, after: Properties) -> bool:
        return before | {"Description": None} != after | {"Description": None}

    def create(self, request: Request) -> Deployed:
        answer = self._call(request, "authorize_security_group_{}")
        rule_id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return Deployed(rule_id, {"Id": rule_id})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._call(request, "update_security_group_rule_descriptions_{}")
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(self._call, request=request, operation="revoke_security_group_{}")

    def _call(self, request: Request, operation: str) -> dict[str, Any]:
        permissions = [ip_permission(request.properties)]
        call = getattr(request.api("ec2"), operation.format(self.direction))
        answer: dict[str, Any] = call(GroupId=request.properties["GroupId"], IpPermissions=permissions)
        return answer


class SecurityGroupIngress(_Rule):
    type_name = "AWS::EC2::SecurityGroupIngress"
    direction = "ingress"


class SecurityGroupEgress(_Rule):
    type_name = "AWS::EC2::SecurityGroupEgress"
    direction = "egress"


TYPES = (SecurityGroup, SecurityGroupIngress, SecurityGroupEgress)
