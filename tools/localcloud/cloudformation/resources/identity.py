"""IAM roles and policies, KMS keys and aliases."""

import json
from collections.abc import Callable
from typing import Any

from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceType,
    delete_if_there,
    without_tags,
)


class Role(ResourceType):
    type_name = "AWS::IAM::Role"
    replaced_by = frozenset({"RoleName", "Path"})

    def create(self, request: Request) -> Deployed:
        name = request.name("RoleName", longest=64)
        arguments = request.arguments("iam", "CreateRole", RoleName=name)
        arguments.pop("Tags", None)
        role = request.api("iam").create_role(**arguments, Tags=request.tags())["Role"]
        deployed = Deployed(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})
        request.exists(deployed)
        self._change_policies(request, name, {})
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        iam, name, now = request.api("iam"), deployed.physical_id, request.properties
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(now["AssumeRolePolicyDocument"]))
        iam.update_role(**request.arguments("iam", "UpdateRole", RoleName=name))
        if "PermissionsBoundary" in now:
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=now["PermissionsBoundary"])
        elif "PermissionsBoundary" in before:
            iam.delete_role_permissions_boundary(RoleName=name)
        self._change_policies(request, name, before)
        gone = without_tags(before.get("Tags", []), request.tags())
        if gone:
            iam.untag_role(RoleName=name, TagKeys=gone)
        if request.tags():
            iam.tag_role(RoleName=name, Tags=request.tags())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        name = deployed.physical_id
        # The policies of a role that is gone go with it; those that policies of the stack put in are theirs.
        self._change_policies(request, name, request.properties, after={})
        delete_if_there(request.api("iam").delete_role, RoleName=name)

    def _change_policies(
        self, request: Request, name: str, before: Properties, after: Properties | None = None
    ) -> None:
        iam = request.api("iam")
        after = request.properties if after is None else after
        inline = {policy["PolicyName"]: policy["PolicyDocument"] for policy in after.get("Policies", [])}
        for policy in before.get("Policies", []):
            if policy["PolicyName"] not in inline:
                delete_if_there(iam.delete_role_policy, RoleName=name, PolicyName=policy["PolicyName"])
        for policy_name, document in inline.items():
            iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=json.dumps(document))
        were, are = set(before.get("ManagedPolicyArns", [])), set(after.get("ManagedPolicyArns", []))
        for arn in sorted(were - are):
            delete_if_there(iam.detach_role_policy, RoleName=name, PolicyArn=arn)
        for arn in sorted(are - were):
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)


PRINCIPALS = (("Roles", "role", "RoleName"), ("Users", "user", "UserName"), ("Groups", "group", "GroupName"))


def _each_principal(properties: Properties) -> list[tuple[str, str, str]]:
    return [
        (kind, argument, name)
        for property_name, kind, argument in PRINCIPALS
        for name in properties.get(property_name, [])
    ]


class InlinePolicy(ResourceType):
    type_name = "AWS::IAM::Policy"

    def create(self, request: Request) -> Deployed:
        name, iam = request.properties["PolicyName"], request.api("iam")
        document = json.dumps(request.properties["PolicyDocument"])
        for kind, argument, principal in _each_principal(request.properties):
            put = getattr(iam, f"put_{kind}_policy")
            put(**{argument: principal}, PolicyName=name, PolicyDocument=document)
        return Deployed(name, {"Id": name})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        now = _each_principal(request.properties)
        renamed = before["PolicyName"] != request.properties["PolicyName"]
        self._take_away(request, before, [each for each in _each_principal(before) if renamed or each not in now])
        return self.create(request)

    def delete(self, request: Request, deployed: Deployed) -> None:
        self._take_away(request, request.properties, _each_principal(request.properties))

    def _take_away(self, request: Request, properties: Properties, principals: list[tuple[str, str, str]]) -> None:
        for kind, argument, principal in principals:
            call = getattr(request.api("iam"), f"delete_{kind}_policy")
            delete_if_there(call, **{argument: principal}, PolicyName=properties["PolicyName"])


class ManagedPolicy(ResourceType):
    type_name = "AWS::IAM::ManagedPolicy"
    replaced_by = frozenset({"ManagedPolicyName", "Path", "Description"})

    def create(self, request: Request) -> Deployed:
        name = request.name("ManagedPolicyName", longest=128)
        arn = request.api("iam").create_policy(
            **request.arguments("iam", "CreatePolicy", PolicyName=name, Tags=request.tags())
        )["Policy"]["Arn"]
        deployed = Deployed(arn, {"PolicyArn": arn})
        request.exists(deployed)
        self._change_principals(request, arn, {}, request.properties)
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        iam, arn = request.api("iam"), deployed.physical_id
        if request.properties["PolicyDocument"] != before["PolicyDocument"]:
            iam.create_policy_version(
                PolicyArn=arn,
                PolicyDocument=json.dumps(request.properties["PolicyDocument"]),
                SetAsDefault=True,
            )
            self._delete_old_versions(request, arn)
        self._change_principals(request, arn, before, request.properties)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        self._change_principals(request, deployed.physical_id, request.properties, {})
        self._delete_old_versions(request, deployed.physical_id)
        delete_if_there(request.api("iam").delete_policy, PolicyArn=deployed.physical_id)

    def _change_principals(self, request: Request, arn: str, before: Properties, after: Properties) -> None:
        iam, were, are = request.api("iam"), _each_principal(before), _each_principal(after)
        for kind, argument, principal in were:
            if (kind, argument, principal) not in are:
                delete_if_there(getattr(iam, f"detach_{kind}_policy"), **{argument: principal}, PolicyArn=arn)
        for kind, argument, principal in are:
            if (kind, argument, principal) not in were:
                getattr(iam, f"attach_{kind}_policy")(**{argument: principal}, PolicyArn=arn)

    def _delete_old_versions(self, request: Request, arn: str) -> None:
        iam = request.api("iam")
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


class Key(ResourceType):
    type_name = "AWS::KMS::Key"
    replaced_by = frozenset({"KeySpec", "KeyUsage", "Origin", "MultiRegion"})
    read_by_deletion = frozenset({"PendingWindowInDays"})

    def create(self, request: Request) -> Deployed:
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in request.tags()]
        arguments = request.arguments("kms", "CreateKey", Policy=request.properties.get("KeyPolicy"), Tags=tags)
        key = request.api("kms").create_key(**arguments)["KeyMetadata"]
        deployed = Deployed(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})
        request.exists(deployed)
        self._change_rotation(request, key["KeyId"], {})
        if not _true(request.properties.get("Enabled", True)):
            request.api("kms").disable_key(KeyId=key["KeyId"])
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        kms, key, now = request.api("kms"), deployed.physical_id, request.properties
        if "KeyPolicy" in now:
            kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(now["KeyPolicy"]))
        kms.update_key_description(KeyId=key, Description=now.get("Description", ""))
        (kms.enable_key if _true(now.get("Enabled", True)) else kms.disable_key)(KeyId=key)
        self._change_rotation(request, key, before)
        if request.tags():
            tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in request.tags()]
            kms.tag_resource(KeyId=key, Tags=tags)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        days = int(request.properties.get("PendingWindowInDays", 30))
        delete_if_there(request.api("kms").schedule_key_deletion, KeyId=deployed.physical_id, PendingWindowInDays=days)

    def _change_rotation(self, request: Request, key: str, before: Properties) -> None:
        kms, now = request.api("kms"), request.properties
        if _true(now.get("EnableKeyRotation", False)):
            period = {"RotationPeriodInDays": int(now.get("RotationPeriodInDays", 365))}
            kms.enable_key_rotation(KeyId=key, **period)
        elif _true(before.get("EnableKeyRotation", False)):
            kms.disable_key_rotation(KeyId=key)


class Alias(ResourceType):
    type_name = "AWS::KMS::Alias"
    replaced_by = frozenset({"AliasName"})

    def create(self, request: Request) -> Deployed:
        return self._point(request, request.api("kms").create_alias)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self._point(request, request.api("kms").update_alias)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("kms").delete_alias, AliasName=deployed.physical_id)

    def _point(self, request: Request, call: Callable[..., Any]) -> Deployed:
        name = request.properties["AliasName"]
        # The API takes an id or an ARN; templates give either.
        target = str(request.properties["TargetKeyId"]).rsplit("/", 1)[-1]
        call(AliasName=name, TargetKeyId=target)
        return Deployed(name, {"AliasName": name})


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


TYPES = (Role, InlinePolicy, ManagedPolicy, Key, Alias)
