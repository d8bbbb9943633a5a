"""Amazon EC2's network: VPC, subnets, route tables, endpoints, flow logs."""

from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.vpcs import VPCEndPoint

from localcloud.cloudformation.api_shapes import accepted
from localcloud.cloudformation.resource import (
    Deployed,
    ImmutableResource,
    Properties,
    Request,
    ResourceType,
    delete_if_there,
    without_tags,
)


def tag_specifications(request: Request, kind: str) -> list[dict[str, Any]]:
    tags = request.tags()
    return [{"ResourceType": kind, "Tags": tags}] if tags else []


def retag(request: Request, deployed: Deployed, before: Properties) -> None:
    """Bring the tags of an EC2 resource up to date."""
    gone = without_tags(before.get("Tags", []), request.tags())
    if gone:
        request.api("ec2").delete_tags(Resources=[deployed.physical_id], Tags=[{"Key": key} for key in gone])
    if request.tags():
        request.api("ec2").create_tags(Resources=[deployed.physical_id], Tags=request.tags())


class Vpc(ResourceType):
    type_name = "AWS::EC2::VPC"
    replaced_by = frozenset({"CidrBlock", "Ipv4IpamPoolId", "Ipv4NetmaskLength"})

    def create(self, request: Request) -> Deployed:
        ec2 = request.api("ec2")
        vpc = ec2.create_vpc(
            **request.arguments("ec2", "CreateVpc"), TagSpecifications=tag_specifications(request, "vpc")
        )["Vpc"]
        request.exists(Deployed(vpc["VpcId"]))
        self._set_dns(request, vpc["VpcId"])
        groups = ec2.describe_security_groups(
            Filters=[
                {"Name": "vpc-id", "Values": [vpc["VpcId"]]},
                {"Name": "group-name", "Values": ["default"]},
            ]
        )["SecurityGroups"]
        access_lists = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])
        attributes = {
            "VpcId": vpc["VpcId"],
            "CidrBlock": vpc["CidrBlock"],
            "CidrBlockAssociations": [
                association["AssociationId"] for association in vpc.get("CidrBlockAssociationSet", [])
            ],
            "Ipv6CidrBlocks": [],
            "DefaultSecurityGroup": groups[0]["GroupId"],
            "DefaultNetworkAcl": access_lists["NetworkAcls"][0]["NetworkAclId"],
        }
        return Deployed(vpc["VpcId"], attributes)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._set_dns(request, deployed.physical_id)
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_vpc, VpcId=deployed.physical_id)

    def _set_dns(self, request: Request, vpc_id: str) -> None:
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            # One attribute per call, as the API wants it.
            if name in request.properties:
                wanted = {"Value": str(request.properties[name]).lower() == "true"}
                request.api("ec2").modify_vpc_attribute(VpcId=vpc_id, **{name: wanted})


class Subnet(ResourceType):
    type_name = "AWS::EC2::Subnet"
    replaced_by = frozenset({"VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId"})

    def create(self, request: Request) -> Deployed:
        ec2 = request.api("ec2")
        subnet = ec2.create_subnet(
            **request.arguments("ec2", "CreateSubnet"),
            TagSpecifications=tag_specifications(request, "subnet"),
        )["Subnet"]
        request.exists(Deployed(subnet["SubnetId"]))
        self._set_public_addresses(request, subnet["SubnetId"])
        access_lists = ec2.describe_network_acls(
            Filters=[{"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}]
        )["NetworkAcls"]
        associations = [
            association["NetworkAclAssociationId"]
            for access_list in access_lists
            for association in access_list["Associations"]
            if association["SubnetId"] == subnet["SubnetId"]
        ]
        attributes = {
            "SubnetId": subnet["SubnetId"],
            "AvailabilityZone": subnet["AvailabilityZone"],
            "AvailabilityZoneId": subnet["AvailabilityZoneId"],
            "CidrBlock": subnet["CidrBlock"],
            "VpcId": subnet["VpcId"],
            "Ipv6CidrBlocks": [],
            "NetworkAclAssociationId": associations[0] if associations else "",
        }
        return Deployed(subnet["SubnetId"], attributes)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._set_public_addresses(request, deployed.physical_id)
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_subnet, SubnetId=deployed.physical_id)

    def _set_public_addresses(self, request: Request, subnet_id: str) -> None:
        if "MapPublicIpOnLaunch" in request.properties:
            wanted = str(request.properties["MapPublicIpOnLaunch"]).lower() == "true"
            request.api("ec2").modify_subnet_attribute(SubnetId=subnet_id, MapPublicIpOnLaunch={"Value": wanted})


class RouteTable(ResourceType):
    type_name = "AWS::EC2::RouteTable"
    replaced_by = frozenset({"VpcId"})

    def create(self, request: Request) -> Deployed:
        table = request.api("ec2").create_route_table(
            VpcId=request.properties["VpcId"], TagSpecifications=tag_specifications(request, "route-table")
        )["RouteTable"]
        return Deployed(table["RouteTableId"], {"RouteTableId": table["RouteTableId"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_route_table, RouteTableId=deployed.physical_id)


class SubnetRouteTableAssociation(ImmutableResource):
    type_name = "AWS::EC2::SubnetRouteTableAssociation"

    def create(self, request: Request) -> Deployed:
        made = request.api("ec2").associate_route_table(
            SubnetId=request.properties["SubnetId"], RouteTableId=request.properties["RouteTableId"]
        )
        return Deployed(made["AssociationId"], {"Id": made["AssociationId"]})

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").disassociate_route_table, AssociationId=deployed.physical_id)


class VpcEndpoint(ResourceType):
    type_name = "AWS::EC2::VPCEndpoint"
    replaced_by = frozenset({"VpcId", "ServiceName", "VpcEndpointType"})
    # Property → the two arguments with which ModifyVpcEndpoint changes it.
    changed_by = {  # noqa: RUF012
        "SubnetIds": ("AddSubnetIds", "RemoveSubnetIds"),
        "RouteTableIds": ("AddRouteTableIds", "RemoveRouteTableIds"),
        "SecurityGroupIds": ("AddSecurityGroupIds", "RemoveSecurityGroupIds"),
    }

    def create(self, request: Request) -> Deployed:
        endpoint = request.api("ec2").create_vpc_endpoint(
            **request.arguments("ec2", "CreateVpcEndpoint", VpcEndpointType=_kind(request)),
            TagSpecifications=tag_specifications(request, "vpc-endpoint"),
        )["VpcEndpoint"]
        return self._deployed(endpoint)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        ec2 = request.api("ec2")
        changes: dict[str, Any] = {"VpcEndpointId": deployed.physical_id}
        # Not by ResetPolicy, which moto does not know: the policy that an endpoint without one has.
        changes["PolicyDocument"] = request.properties.get("PolicyDocument", VPCEndPoint.DEFAULT_POLICY)
        for name, (add, remove) in self.changed_by.items():
            were, are = set(before.get(name, [])), set(request.properties.get(name, []))
            changes |= {key: sorted(ids) for key, ids in ((add, are - were), (remove, were - are)) if ids}
        ec2.modify_vpc_endpoint(**accepted(ec2, "ModifyVpcEndpoint", changes))
        self._finish(request, deployed.physical_id, changes)
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_vpc_endpoints, VpcEndpointIds=[deployed.physical_id])

    def _finish(self, request: Request, endpoint_id: str, changes: dict[str, Any]) -> None:
        """What moto's ModifyVpcEndpoint does not do: names inside the VPC, and the gateway's routes."""
        backend = ec2_backends[request.api.account][request.api.region]
        endpoint = backend.vpc_end_points[endpoint_id]
        if "PrivateDnsEnabled" in request.properties:
            endpoint.private_dns_enabled = str(request.properties["PrivateDnsEnabled"]).lower() == "true"
        prefixes = endpoint.destination_prefix_list_id or ""
        for table in changes.get("AddRouteTableIds", []):
            backend.create_route(table, None, gateway_id=endpoint_id, destination_prefix_list_id=prefixes)
        for table in changes.get("RemoveRouteTableIds", []):
            backend.delete_route(table, prefixes)

    def _deployed(self, endpoint: dict[str, Any]) -> Deployed:
        attributes = {
            "Id": endpoint["VpcEndpointId"],
            "CreationTimestamp": str(endpoint.get("CreationTimestamp", "")),
            "DnsEntries": [
                f"{entry.get('HostedZoneId', '')}:{entry['DnsName']}" for entry in endpoint.get("DnsEntries", [])
            ],
            "NetworkInterfaceIds": endpoint.get("NetworkInterfaceIds", []),
        }
        return Deployed(endpoint["VpcEndpointId"], attributes)


def _kind(request: Request) -> str:
    return str(request.properties.get("VpcEndpointType", "Gateway"))


class FlowLog(ResourceType):
    type_name = "AWS::EC2::FlowLog"

    def must_replace(self, before: Properties, after: Properties) -> bool:
        return before | {"Tags": None} != after | {"Tags": None}

    def create(self, request: Request) -> Deployed:
        made = request.api("ec2").create_flow_logs(
            **request.arguments("ec2", "CreateFlowLogs", ResourceIds=[request.properties["ResourceId"]]),
            TagSpecifications=tag_specifications(request, "vpc-flow-log"),
        )
        return Deployed(made["FlowLogIds"][0], {"Id": made["FlowLogIds"][0]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_flow_logs, FlowLogIds=[deployed.physical_id])


TYPES = (Vpc, Subnet, RouteTable, SubnetRouteTableAssociation, VpcEndpoint, FlowLog)
