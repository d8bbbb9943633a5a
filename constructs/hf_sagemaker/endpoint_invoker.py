"""The way in for callers of other accounts: a role that may call one endpoint and nothing else."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.endpoint_parts import EndpointMode


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
        action = "sagemaker:InvokeEndpointAsync" if mode == "asynchronous" else "sagemaker:InvokeEndpoint"
        allow.DutyPolicy(
            self,
            "Policy",
            role=self.role,
            permissions=[allow.allow([action], allow.sagemaker_arn(self, f"endpoint/{endpoint_name}"))],
        )
