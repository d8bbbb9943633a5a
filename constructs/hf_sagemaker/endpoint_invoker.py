"""The way in for callers of other accounts: a role that may call one endpoint and nothing else."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.endpoint_parts import EndpointMode
from hf_sagemaker.place import place_of

_WHY = (
    "The settings of the environment name, one by one and without a wildcard, the roles of other accounts that may "
    "call this endpoint. The role calls this one endpoint and does nothing else; CloudTrail says which of them did."
)


class EndpointInvoker(Construct):
    """A role that named principals may assume. SageMaker endpoints have no resource policy, so a caller of another
    account acts in a role of this one.

    role: its ARN is what callers have to know.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, endpoint_name: str, mode: EndpointMode, callers: Sequence[str]
    ) -> None:
        """Creates the role.

        endpoint_name: in SageMaker. mode: an asynchronous endpoint is called by another action.
        callers: ARNs of roles and users that exist; IAM refuses others. Their own accounts must let them assume it.

        Raises ValueError where a caller is not one principal.
        """
        super().__init__(scope, construct_id)
        vague = [arn for arn in callers if "*" in arn or not arn.split(":")[5].startswith(("role/", "user/"))]
        if vague or not callers:
            raise ValueError(
                f"Callers of {endpoint_name} must be ARNs of roles and users, at least one, each of a single one: "
                f"{', '.join(vague) or 'there is none'}."
            )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.CompositePrincipal(*(iam.ArnPrincipal(arn) for arn in callers)),
            description=f"Calls endpoint {endpoint_name}",
        )
        if any(arn.split(":")[4] != place_of(self).account for arn in callers):
            acknowledge(self, _WHY, "HfSageMaker::Control-31")
        action = "sagemaker:InvokeEndpointAsync" if mode == "asynchronous" else "sagemaker:InvokeEndpoint"
        allow.DutyPolicy(
            self,
            "Policy",
            role=self.role,
            permissions=[allow.allow([action], allow.sagemaker_arn(self, f"endpoint/{endpoint_name}"))],
        )
