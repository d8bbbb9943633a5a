"""AWS Secrets Manager: secrets and who may read them."""

import json
from typing import Any

from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceType,
    delete_if_there,
    without_tags,
)

SERVICE = "secretsmanager"


class Secret(ResourceType):
    """`Ref` answers the ARN."""

    type_name = "AWS::SecretsManager::Secret"
    replaced_by = frozenset({"Name"})

    def create(self, request: Request) -> Deployed:
        secrets, name = request.api(SERVICE), request.name("Name", longest=512)
        value = {"SecretString": self._value(request)} if any(self._given(request.properties)) else {}
        arguments = request.arguments(SERVICE, "CreateSecret", Name=name, Tags=request.tags(), **value)
        arn = secrets.create_secret(**arguments)["ARN"]
        return Deployed(arn, {"Id": arn})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        secrets, arn = request.api(SERVICE), deployed.physical_id
        value = {}
        # A value that was generated stays as it is for as long as what it is made from does.
        if self._given(request.properties) != self._given(before):
            value = {"SecretString": self._value(request)}
        secrets.update_secret(**request.arguments(SERVICE, "UpdateSecret", SecretId=arn, SecretString=None) | value)
        gone = without_tags(before.get("Tags", []), request.tags())
        if gone:
            secrets.untag_resource(SecretId=arn, TagKeys=gone)
        if request.tags():
            secrets.tag_resource(SecretId=arn, Tags=request.tags())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        call = request.api(SERVICE).delete_secret
        delete_if_there(call, SecretId=deployed.physical_id, ForceDeleteWithoutRecovery=True)

    def _given(self, properties: Properties) -> Any:
        return properties.get("SecretString"), properties.get("GenerateSecretString")

    def _value(self, request: Request) -> str:
        text, how = self._given(request.properties)
        if how is None:
            return str(text)
        how = dict(how)
        template, key = how.pop("SecretStringTemplate", None), how.pop("GenerateStringKey", None)
        generated = request.api(SERVICE).get_random_password(**how)["RandomPassword"]
        return json.dumps(json.loads(template) | {key: generated}) if template and key else str(generated)


class SecretPolicy(ResourceType):
    type_name = "AWS::SecretsManager::ResourcePolicy"
    replaced_by = frozenset({"SecretId"})

    def create(self, request: Request) -> Deployed:
        policy, secret = json.dumps(request.properties["ResourcePolicy"]), request.properties["SecretId"]
        request.api(SERVICE).put_resource_policy(SecretId=secret, ResourcePolicy=policy)
        return Deployed(secret, {"Id": secret})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self.create(request)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api(SERVICE).delete_resource_policy, SecretId=deployed.physical_id)


TYPES = (Secret, SecretPolicy)
