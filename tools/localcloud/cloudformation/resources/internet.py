"""Amazon EC2's ways out of a VPC: internet gateways, NAT gateways and their addresses, routes."""

from moto.ec2.models import ec2_backends

from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    delete_if_there,
)
from localcloud.cloudformation.resources.network import retag, tag_specifications


class InternetGateway(ResourceType):
    type_name = "AWS::EC2::InternetGateway"

    def create(self, request: Request) -> Deployed:
        gateway = request.api("ec2").create_internet_gateway(
            TagSpecifications=tag_specifications(request, "internet-gateway")
        )["InternetGateway"]["InternetGatewayId"]
        return Deployed(gateway, {"InternetGatewayId": gateway})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_internet_gateway, InternetGatewayId=deployed.physical_id)


class VpcGatewayAttachment(ResourceType):
    type_name = "AWS::EC2::VPCGatewayAttachment"
    replaced_by = frozenset({"VpcId"})

    def create(self, request: Request) -> Deployed:
        if "VpnGatewayId" in request.properties:
            raise ResourceError("The embedded AWS attaches internet gateways only, no VPN gateway.")
        gateway, vpc = request.properties["InternetGatewayId"], request.properties["VpcId"]
        request.api("ec2").attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        return Deployed(f"IGW|{vpc}", {"AttachmentType": "IGW"})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._detach(request, before)
        return self.create(request)

    def delete(self, request: Request, deployed: Deployed) -> None:
        self._detach(request, request.properties)

    def _detach(self, request: Request, properties: Properties) -> None:
        delete_if_there(
            request.api("ec2").detach_internet_gateway,
            InternetGatewayId=properties["InternetGatewayId"],
            VpcId=properties["VpcId"],
        )


class Eip(ResourceType):
    """`Ref` answers the address itself, `AllocationId` is an attribute."""

    type_name = "AWS::EC2::EIP"
    replaced_by = frozenset({"Domain", "NetworkBorderGroup", "Address", "PublicIpv4Pool"})

    def create(self, request: Request) -> Deployed:
        address = request.api("ec2").allocate_address(
            **request.arguments("ec2", "AllocateAddress"),
            TagSpecifications=tag_specifications(request, "elastic-ip"),
        )
        return Deployed(address["PublicIp"], {"AllocationId": address["AllocationId"], "PublicIp": address["PublicIp"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        retag(request, Deployed(deployed.attributes["AllocationId"]), before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").release_address, AllocationId=deployed.attributes["AllocationId"])


class NatGateway(ResourceType):
    type_name = "AWS::EC2::NatGateway"
    replaced_by = frozenset({"AllocationId", "ConnectivityType", "PrivateIpAddress", "SubnetId", "VpcId"})

    def create(self, request: Request) -> Deployed:
        gateway = request.api("ec2").create_nat_gateway(
            **request.arguments("ec2", "CreateNatGateway"),
            TagSpecifications=tag_specifications(request, "natgateway"),
        )["NatGateway"]
        return Deployed(gateway["NatGatewayId"], {"NatGatewayId": gateway["NatGatewayId"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        retag(request, deployed, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_nat_gateway, NatGatewayId=deployed.physical_id)
        # moto leaves the gateway's network interface, which would be in the way of its subnet.
        backend = ec2_backends[request.api.account][request.api.region]
        gateway = backend.nat_gateways[deployed.physical_id]
        backend.enis.pop(gateway.address_set[0]["networkInterfaceId"], None)


DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


class Route(ResourceType):
    type_name = "AWS::EC2::Route"
    replaced_by = frozenset({"RouteTableId", *DESTINATIONS})

    def create(self, request: Request) -> Deployed:
        properties = request.properties
        request.api("ec2").create_route(**request.arguments("ec2", "CreateRoute"))
        destination = next(str(properties[name]) for name in DESTINATIONS if properties.get(name))
        return Deployed(f"{properties['RouteTableId']}|{destination}", {"CidrBlock": destination})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        request.api("ec2").replace_route(**request.arguments("ec2", "ReplaceRoute"))
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ec2").delete_route, **request.arguments("ec2", "DeleteRoute"))


TYPES = (InternetGateway, VpcGatewayAttachment, Eip, NatGateway, Route)
