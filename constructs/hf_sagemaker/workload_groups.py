"""The security groups of what runs in a network: out on 443, in from nowhere but each other."""

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hf_sagemaker.file_system import FileSystem
from hf_sagemaker.placement import Placement

# Without ports, which the protocol does not have: the CDK's own `esp()` names some, and EC2 ignores them.
_ESP = ec2.Port(protocol=ec2.Protocol.ESP, string_representation="ESP")


class WorkloadGroup(ec2.SecurityGroup):
    """Members may open connections on port 443.

    A security group cannot name a gateway endpoint without its prefix list, which only a look-up would tell; so this is
    port 443 of any address, and the routes decide what that is: without a way out, AWS services by their endpoints.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, description: str) -> None:
        """Creates the group. description: what its members are; the EC2 console shows it."""
        super().__init__(scope, construct_id, vpc=vpc, description=description, allow_all_outbound=False)
        self.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "Where the routes lead: VPC endpoints, or also NAT"
        )

    def open_ports(self, ports: Sequence[int], description: str) -> None:
        """Lets members also open connections on these ports. description: what is there."""
        for port in ports:
            self.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), description)

    def connect_members(self) -> None:
        """Lets members reach each other, for distributed training: frameworks choose their TCP ports, and SageMaker's
        encryption between instances is IPsec (IKE on UDP 500, and ESP). EFA would need every protocol."""
        for port in (ec2.Port.all_tcp(), ec2.Port.udp(500), _ESP):
            self.add_ingress_rule(self, port, "Instances of one training job")
            self.add_egress_rule(self, port, "Instances of one training job")


def let_mount(placement: Placement, file_system: FileSystem, peers: Sequence[ec2.IPeer]) -> None:
    """Lets what runs here reach a file system: these security groups or addresses, on the file system's ports only.

    Groups that were imported as they are get no rule. That the file system's own group admits the workload is for its
    owner to say.
    """
    ports = [ec2.Port.tcp_range(first, last) for first, last in file_system.ports]
    for group in placement.security_groups:
        for peer in peers:
            for port in ports:
                group.add_egress_rule(peer, port, f"File system {file_system.name}")
                if file_system.opens_connections:
                    group.add_ingress_rule(peer, port, f"File system {file_system.name}")
