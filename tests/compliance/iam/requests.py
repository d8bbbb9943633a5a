"""Rows of the tables as requests: names become ARNs, principals get their policies, services add what they know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from hf_sagemaker.controls.templates import Resource
from tests.compliance.iam.names import Names
from tests.compliance.iam.policy_model import EVERYTHING, PolicyModel
from tests.compliance.iam.simulator import Request
from tests.compliance.iam.table import Attack, Duty, Row

ORGANIZATION, FOREIGN_ORGANIZATION = "o-ourorganization", "o-foreignorganization"
_WITH_EVERYTHING = " with everything"


@dataclass(frozen=True)
class _Principal:
    """Who asks. session: as IAM sees them. account: None for an AWS service. has_scp: our organisation limits them."""

    session: str
    context: Mapping[str, str]
    account: str | None
    identity: Sequence[str] = ()
    boundary: Sequence[str] = ()
    has_scp: bool = False


class World:
    """The environments in which the rows take place, and the accounts of others around them."""

    def __init__(self, models: Mapping[str, PolicyModel], names: Names) -> None:
        """models: by environment. names: what the rows call things in them."""
        self.models = models
        self._names = names
        self.ours = {policy: text for model in models.values() for policy, text in model.everything().items()}
        """Every policy of the environments, by id."""
        self.policies = {
            **self.ours,
            "administrator": EVERYTHING,
            "open": _admitting("*"),
            **{f"{name} trusting": _admitting({"AWS": _root(m)}) for name, m in models.items()},
        }

    def duty(self, row: Duty) -> list[Request]:
        """Its requests, each of which must be allowed."""
        return self._requests(row.id, [(form, True) for form in row.forms()])

    def attack(self, row: Attack) -> list[Request]:
        """Its requests, each of which must be denied."""
        return self._requests(row.id, [(form, row.under == "scp") for form in row.forms()])

    def twin(self, row: Attack) -> list[Request]:
        """The requests of its inline twin, each of which must be allowed; none where a duty is its twin."""
        return self._requests(f"{row.id} twin", row.twins())

    def _requests(self, name: str, forms: Sequence[tuple[Row, bool]] | Iterator[tuple[Row, bool]]) -> list[Request]:
        return [
            self._request(f"{name}[{i}.{k}]", row, *combination, scp=scp)
            for i, (row, scp) in enumerate(forms)
            for k, combination in enumerate(product(row.in_, row.who, row.action, row.resource, row.through))
        ]

    def _request(
        self, name: str, row: Row, environment: str, who: str, action: str, on: str, through: str, *, scp: bool
    ) -> Request:
        model, principal = self.models[environment], self._principal(environment, who)
        resource = self._names.fill(environment, on)
        account = self._names.owner(environment, resource)
        endpoint = self._names.resource(environment, through) if through else None
        context = {
            **_of_every_request(model.templates.region, account, ours=self._is_ours(account)),
            **principal.context,
            **(_of_endpoint(model, endpoint) if endpoint else {}),
            **({"kms:CallerAccount": principal.account} if action.startswith("kms:") and principal.account else {}),
            **({"s3:ResourceAccount": account} if action.startswith("s3:") else {}),
            **{key: self._filled(environment, value) for key, value in row.context.items()},
        }
        return Request(
            id=f"{name} {environment} {who}: {action} on {on}{f' through {through}' if through else ''}",
            principal=principal.session,
            action=action,
            resource=resource,
            account=account,
            context={key: value for key, value in context.items() if value is not None},
            identity=principal.identity,
            boundary=[] if row.boundary == "none" else principal.boundary,
            scp=[*model.scp, "administrator"] if scp and principal.has_scp and model.scp else [],
            endpoint=[model.endpoint(endpoint)] if endpoint else [],
            resource_policy=self._resource_policy(row, environment, resource, account, action),
        )

    def _resource_policy(self, row: Row, environment: str, resource: str, account: str, action: str) -> str | None:
        if row.resource_policy == "trusting":
            return f"{environment} trusting"
        owner = next((model for model in self.models.values() if model.templates.account == account), None)
        if row.resource_policy == "open" or owner is None:
            # What belongs to others admits whom they like: us as their victims, and the public.
            return "open"
        return owner.on_resource(resource, action)

    def _principal(self, environment: str, who: str) -> _Principal:
        model = self.models[environment]
        account = model.templates.account
        if who.endswith(_WITH_EVERYTHING):
            role = self._principal(environment, who.removesuffix(_WITH_EVERYTHING))
            return replace(role, identity=[*role.identity, "administrator"])
        if who.startswith("service "):
            service = self._names.fill(environment, who.removeprefix("service "))
            return _Principal(service, _of_service(service, account), None)
        if who.startswith("other "):
            other = self._principal(self._names.other(environment), who.removeprefix("other "))
            return replace(other, has_scp=False)
        if who == "stranger":
            return self._session(f"arn:aws:iam::{self._names.foreign_account}:role/Stranger", ["administrator"])
        if who.startswith(("arn:", "{")):
            return self._session(self._names.fill(environment, who), ["administrator"])
        if who == "administrator":
            return self._session(f"arn:aws:iam::{account}:role/Administrator", ["administrator"])
        if who == "bounded administrator":
            boundary = model.managed(self._names.fill(environment, "{permissions boundary}"))
            return self._session(f"arn:aws:iam::{account}:role/Bounded", ["administrator"], [boundary])
        role = model.roles[self._names.fill(environment, f"{{{who} role}}")]
        return self._session(role.arn, role.identity, role.boundary)

    def _session(self, role: str, identity: Sequence[str], boundary: Sequence[str] = ()) -> _Principal:
        account, name = role.split(":")[4], role.rsplit("/", 1)[1]
        ours = self._is_ours(account)
        context = {
            "aws:PrincipalArn": role,
            "aws:PrincipalAccount": account,
            "aws:PrincipalIsAWSService": "false",
            "aws:PrincipalOrgID": ORGANIZATION if ours else FOREIGN_ORGANIZATION,
            "aws:PrincipalType": "AssumedRole",
        }
        session = f"arn:aws:sts::{account}:assumed-role/{name}/session"
        return _Principal(session, context, account, identity, boundary, has_scp=ours)

    def _is_ours(self, account: str) -> bool:
        return any(model.templates.account == account for model in self.models.values())

    def _filled(self, environment: str, value: str | list[str] | None) -> str | list[str] | None:
        if isinstance(value, list):
            return [self._names.fill(environment, item) for item in value]
        return None if value is None else self._names.fill(environment, value)


def _of_endpoint(model: PolicyModel, endpoint: Resource) -> Mapping[str, str]:
    return {
        "aws:SourceVpce": model.names.of(endpoint, "Ref"),
        "aws:SourceVpc": str(model.names.resolve(endpoint.properties["VpcId"])),
    }


def _of_service(service: str, account: str) -> Mapping[str, str]:
    return {
        "aws:PrincipalIsAWSService": "true",
        "aws:PrincipalServiceName": service,
        "aws:SourceAccount": account,
    }


def _of_every_request(region: str, owner: str, *, ours: bool) -> Mapping[str, str]:
    return {
        "aws:RequestedRegion": region,
        "aws:ResourceAccount": owner,
        "aws:ResourceOrgID": ORGANIZATION if ours else FOREIGN_ORGANIZATION,
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
    }


def _root(model: PolicyModel) -> str:
    return f"arn:aws:iam::{model.templates.account}:root"


def _admitting(principal: object) -> dict[str, object]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}
