"""The security groups of what runs in a network: out on 443, in from nowhere but each other."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct


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

    def connect_members(self) -> None:
        """Lets members reach each other, for distributed training.

        Frameworks choose their ports, and SageMaker encrypts what goes between instances with IPsec. EFA is not among
        it: it needs a rule for every protocol.
        """
        esp = ec2.Port(protocol=ec2.Protocol.ESP, string_representation="ESP")  # Port.esp() gives it ports; it has none
        for port in (ec2.Port.all_tcp(), ec2.Port.udp(500), esp):
            self.add_ingress_rule(self, port, "Instances of one training job")
            self.add_egress_rule(self, port, "Instances of one training job")
