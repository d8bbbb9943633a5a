"""Mutants of controls 23 to 37, and of the limits of stacks."""

from typing import Any

from tests.compliance.mutant import Mutant, Stacks, add, first

POLICY = "AWS::IAM::ManagedPolicy"
ROLE = "AWS::IAM::Role"


def _administrator(stacks: Stacks) -> None:
    _grant(stacks, Action="*", Resource="*")


def _whole_service(stacks: Stacks) -> None:
    _grant(stacks, Action="sagemaker:*", Resource="arn:aws:sagemaker:us-east-1:210987654321:endpoint/prod-sentiment")


def _all_resources(stacks: Stacks) -> None:
    _grant(stacks, Action="sagemaker:InvokeEndpoint", Resource="*")


def _full_access(stacks: Stacks) -> None:
    _training(stacks)["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"]


def _inline(stacks: Stacks) -> None:
    _training(stacks)["Policies"] = [
        {"PolicyName": "Inline", "PolicyDocument": _document(Action="xray:PutTraceSegments")}
    ]


def _passes_any_role(stacks: Stacks) -> None:
    _grant(
        stacks,
        Action="iam:PassRole",
        Resource="arn:aws:iam::210987654321:role/*",
        Condition={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    )


def _widens_itself(stacks: Stacks) -> None:
    _grant(stacks, Action="iam:PutRolePolicy", Resource="arn:aws:iam::210987654321:role/prod-training")


def _confused_deputy(stacks: Stacks) -> None:
    _training(stacks)["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition")


def _whole_account(stacks: Stacks) -> None:
    _trust(stacks, Principal={"AWS": "arn:aws:iam::210987654321:root"}, Action="sts:AssumeRole")


def _any_branch(stacks: Stacks) -> None:
    issuer = "token.actions.githubusercontent.com"
    _trust(
        stacks,
        Principal={"Federated": f"arn:aws:iam::210987654321:oidc-provider/{issuer}"},
        Action="sts:AssumeRoleWithWebIdentity",
        Condition={
            "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"},
            "StringLike": {f"{issuer}:sub": "repo:example/models:*"},
        },
    )


def _no_boundary(stacks: Stacks) -> None:
    _training(stacks).pop("PermissionsBoundary")


def _trainer_builds(stacks: Stacks) -> None:
    _grant(stacks, Action="ecr:PutImage", Resource="arn:aws:ecr:us-east-1:210987654321:repository/prod")


def _trainer_serves(stacks: Stacks) -> None:
    _grant(stacks, Action="sagemaker:UpdateEndpoint", Resource="arn:aws:sagemaker:us-east-1:210987654321:endpoint/prod")


def _no_version(stacks: Stacks) -> None:
    first(stacks, POLICY, "TrainingPolicy")["Properties"]["PolicyDocument"].pop("Version")


def _misspelt(stacks: Stacks) -> None:
    _grant(
        stacks, Action="sagemaker:InvokeEndpoints", Resource="arn:aws:sagemaker:us-east-1:210987654321:endpoint/prod"
    )


def _export(stacks: Stacks) -> None:
    template = next(iter(stacks.values()))
    template.setdefault("Outputs", {})["Exported"] = {"Value": "1", "Export": {"Name": "exported"}}


def _training(stacks: Stacks) -> dict[str, Any]:
    properties: dict[str, Any] = first(stacks, ROLE, "/Roles/TrainingRole")["Properties"]
    return properties


def _document(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]}


def _grant(stacks: Stacks, **statement: Any) -> None:
    """A further policy for the training role, which nobody has acknowledged."""
    stack = next(name for name in stacks if name.endswith("-Data"))
    role = next(key for key, body in stacks[stack]["Resources"].items() if body.get("Properties") == _training(stacks))
    add(stacks, "Further", POLICY, {"PolicyDocument": _document(**statement), "Roles": [{"Ref": role}]}, "-Data")


def _trust(stacks: Stacks, **statement: Any) -> None:
    _training(stacks)["AssumeRolePolicyDocument"]["Statement"].append({"Effect": "Allow", **statement})


MUTANTS: dict[int, Mutant] = {
    23: _administrator,
    24: _whole_service,
    25: _all_resources,
    26: _full_access,
    27: _inline,
    28: _passes_any_role,
    29: _widens_itself,
    30: _confused_deputy,
    31: _whole_account,
    32: _any_branch,
    33: _no_boundary,
    34: _trainer_builds,
    35: _trainer_serves,
    36: _no_version,
    37: _misspelt,
    89: _export,
}
