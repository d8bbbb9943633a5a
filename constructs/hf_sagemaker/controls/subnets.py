"""Where jobs and containers are placed: private subnets, and the security groups that decide what they reach."""

from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.control import Proof
from hf_sagemaker.controls.jobs import networked_jobs
from hf_sagemaker.controls.templates import Resource, Templates

VPC = "AWS::EC2::VPC"
MODEL = "AWS::SageMaker::Model"
_WAYS_IN = ("AWS::EC2::InternetGateway", "AWS::EC2::VPNGateway", "AWS::EC2::CarrierGateway")


def placement_fault(templates: Templates, placement: Any) -> str:
    """What is wrong with a `VpcConfig`; empty when nothing is.

    It needs subnets in two zones, to which nothing outside opens a connection, and a security group. Of a team's VPC
    only ids are known: what its subnets are is for their owner to say.
    """
    if not isinstance(placement, Mapping):
        return "it has no VpcConfig, so it runs in a network of SageMaker's."
    subnets, groups = placement.get("Subnets") or [], placement.get("SecurityGroupIds") or []
    if not isinstance(subnets, list) or len({str(subnet) for subnet in subnets}) < 2:
        return "VpcConfig must name subnets of at least two zones."
    if not isinstance(groups, list) or not groups:
        return "VpcConfig must name a security group."
    for subnet in subnets:
        found = templates.find(subnet)
        if found is None and not str(subnet).startswith("subnet-"):
            return f"VpcConfig names {subnet!r}, which is no subnet."
        if found is not None and is_public(templates, found):
            return f"{found.path} can be reached from outside; it must be a private subnet."
    if len({_zone(templates, subnet) for subnet in subnets}) < 2:
        return "VpcConfig must name subnets of at least two zones."
    return ""


def _zone(templates: Templates, subnet: str) -> object:
    found = templates.find(subnet)
    return found.properties.get("AvailabilityZone") if found else subnet


def is_public(templates: Templates, subnet: Resource) -> bool:
    """Whether a subnet hands out public addresses, or has a route to a gateway by which others come in."""
    if subnet.properties.get("MapPublicIpOnLaunch") is True:
        return True
    tables = {
        str(association.properties.get("RouteTableId"))
        for association in templates.resources("AWS::EC2::SubnetRouteTableAssociation")
        if subnet.is_named_by(association.properties.get("SubnetId"))
    }
    return any(
        str(route.properties.get("RouteTableId")) in tables and leads_outside(templates, route)
        for route in templates.resources("AWS::EC2::Route")
    )


def leads_outside(templates: Templates, route: Resource) -> bool:
    """Whether a route ends at a gateway by which others come in."""
    gateway = route.properties.get("GatewayId")
    found = templates.find(gateway)
    return found.type in _WAYS_IN if found else str(gateway).startswith(("igw-", "vgw-", "cagw-"))


def placements(templates: Templates) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    """Every VpcConfig of a model and of a job, with the resource that holds it."""
    for model in templates.resources(MODEL):
        yield model, model.properties.get("VpcConfig") or {}
    for machine, _, job, _ in networked_jobs(templates):
        yield machine.resource, job.get("VpcConfig") or {}


def of_the_team(templates: Templates, remark: str) -> Iterator[Proof]:
    """Where the VPC is the team's, and so in no template: who uses it, with a remark on who answers for it."""
    if next(templates.resources(VPC), None) is None:
        yield from (Proof(resource, remark) for resource, _ in placements(templates))
