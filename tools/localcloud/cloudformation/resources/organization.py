"""AWS Organizations: policies and what they are attached to."""

import threading
from typing import Any

from moto.organizations.models import FakeAccount, OrganizationsBackend, organizations_backends

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType, delete_if_there

_FOUNDING = threading.Lock()


class Policy(ResourceType):
    """Of any type, a service control policy among them. Nothing evaluates it here."""

    type_name = "AWS::Organizations::Policy"
    replaced_by = frozenset({"Type"})

    def create(self, request: Request) -> Deployed:
        _assert_organization(request)
        organizations = request.api("organizations")
        policy = organizations.create_policy(
            **request.arguments("organizations", "CreatePolicy", Description=self._description(request))
        )["Policy"]["PolicySummary"]
        deployed = Deployed(
            policy["Id"], {"Arn": policy["Arn"], "Id": policy["Id"], "AwsManaged": policy["AwsManaged"]}
        )
        request.exists(deployed)
        self._attach(request, policy["Id"], {})
        if request.tags():
            organizations.tag_resource(ResourceId=policy["Id"], Tags=request.tags())
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        _assert_organization(request)
        organizations, policy = request.api("organizations"), deployed.physical_id
        organizations.update_policy(
            **request.arguments(
                "organizations", "UpdatePolicy", PolicyId=policy, Description=self._description(request)
            )
        )
        self._attach(request, policy, before)
        if request.tags():
            organizations.tag_resource(ResourceId=policy, Tags=request.tags())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        self._detach(request, deployed.physical_id, request.properties.get("TargetIds") or [])
        delete_if_there(request.api("organizations").delete_policy, PolicyId=deployed.physical_id)

    def _attach(self, request: Request, policy: str, before: Properties) -> None:
        wanted = [str(target) for target in request.properties.get("TargetIds") or []]
        were = [str(target) for target in before.get("TargetIds") or []]
        self._detach(request, policy, [target for target in were if target not in wanted])
        for target in wanted:
            if target not in were:
                request.api("organizations").attach_policy(PolicyId=policy, TargetId=target)

    def _detach(self, request: Request, policy: str, targets: list[Any]) -> None:
        for target in targets:
            delete_if_there(request.api("organizations").detach_policy, PolicyId=policy, TargetId=str(target))

    def _description(self, request: Request) -> str:
        return str(request.properties.get("Description", ""))


def _assert_organization(request: Request) -> None:
    """This account is its organisation's management account, and the accounts that the policy names are members.

    On AWS somebody has founded it and invited them before; an embedded AWS is new, and every account exists in it.
    """
    backend: Any = organizations_backends[request.api.account]["aws"]
    with _FOUNDING:
        if backend.org is None and request.api.account not in organizations_backends.master_accounts:
            request.api("organizations").create_organization(FeatureSet="ALL")
        if backend.org is None:
            return  # A member's account: the API refuses what only the management account may.
        for target in map(str, request.properties.get("TargetIds") or []):
            if target.isdigit() and all(account.id != target for account in backend.accounts):
                _join(backend, target)


def _join(backend: OrganizationsBackend, account_id: str) -> None:
    """moto gives an account that it creates an id of its own; an invited one brings its own."""
    organization: Any = backend.org
    account = FakeAccount(organization, AccountName=f"account-{account_id}", Email=f"{account_id}@example.com")
    account.id = account_id
    account.joined_method = "INVITED"
    backend.accounts.append(account)
    organizations_backends.master_accounts[account_id] = (backend.account_id, "aws")
    backend.attach_policy(PolicyId="p-FullAWSAccess", TargetId=account_id)


TYPES = (Policy,)
