"""What IAM evaluates in an environment: who has which policies, and which policy lies on which resource."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hf_sagemaker.controls.templates import Resource, Templates, as_list
from tests.compliance.iam.physical_names import PhysicalNames

Document = Mapping[str, Any]
EVERYTHING: Document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
"""What an administrator may do, and what AWS puts beside every service control policy and into a default endpoint."""


class UnknownPolicyError(LookupError):
    """A principal has a policy whose text no template holds: what it may do cannot be decided."""


@dataclass(frozen=True)
class Role:
    """A role: its ARN and the ids of its policies. boundary: empty when it has none."""

    arn: str
    trust: str
    identity: Sequence[str]
    boundary: Sequence[str]


class PolicyModel:
    """The policies of one environment, by id: `<stack>/<logical id>`, and `… trust` for a role's trust policy."""

    def __init__(self, templates: Templates, *, scp: Document | None = None) -> None:
        """scp: the service control policy of the environment's account. Omitted: it has none."""
        self.templates = templates
        self.names = PhysicalNames(templates)
        self.policies: dict[str, Document] = {}
        self.scp: Sequence[str] = ()
        if scp is not None:
            self.scp = [self._add(f"{templates.name} service control policy", self.names.resolve(scp))]
        self._managed = {
            self.names.of(r, "Ref"): self._add(_id(r), self.names.resolve(r.properties["PolicyDocument"]))
            for r in templates.resources("AWS::IAM::ManagedPolicy")
        }
        self._on_resources = dict(self._resource_policies())

    def everything(self) -> Mapping[str, Document]:
        """Every policy by id, those of roles and endpoints too."""
        _ = self.roles
        for endpoint in self.templates.resources("AWS::EC2::VPCEndpoint"):
            self.endpoint(endpoint)
        return self.policies

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """Every role, by its ARN. Raises UnknownPolicyError."""
        return {role.arn: role for role in map(self._role, self.templates.resources("AWS::IAM::Role"))}

    @cached_property
    def by_path(self) -> Mapping[tuple[str, str], Resource]:
        """Every resource by stack and logical id without its hash: the construct path with its slashes removed."""
        return {(r.stack, re.sub(r"[0-9A-F]{8}$", "", r.logical_id)): r for r in self.templates.all}

    def on_resource(self, arn: str, action: str) -> str | None:
        """Id of the policy of the resource that has a say in the action; None where there is none."""
        if arn in self.roles:
            # A trust policy decides who may assume the role, and nothing else that is done to it.
            return self.roles[arn].trust if action.startswith("sts:") else None
        objects_of = re.sub(r"^(arn:[a-z-]+:s3:::[^/]+)/.*$", r"\1", arn)
        return self._on_resources.get(objects_of)

    def endpoint(self, endpoint: Resource) -> str:
        """Id of the policy of a VPC endpoint; an endpoint without one lets everything through."""
        document = self.names.resolve(endpoint.properties.get("PolicyDocument") or _default_endpoint_policy())
        for statement in as_list(document["Statement"]):
            # The simulator does not look at an endpoint policy's principals: only a condition would be judged.
            if statement.get("Principal") not in ("*", {"AWS": "*"}):
                raise UnknownPolicyError(f"{_id(endpoint)}: limits its principals by `Principal`; use conditions")
        return self._add(_id(endpoint), document)

    def managed(self, arn: str) -> str:
        """Id of the managed policy of that ARN. Raises UnknownPolicyError."""
        if arn not in self._managed:
            raise UnknownPolicyError(f"{arn}: no template of {self.templates.name} holds this policy")
        return self._managed[arn]

    def _role(self, resource: Resource) -> Role:
        arn, name = self.names.of(resource, "Arn"), self.names.of(resource, "Ref")
        attached = [self.names.resolve(policy) for policy in resource.properties.get("ManagedPolicyArns") or []]
        boundary = resource.properties.get("PermissionsBoundary")
        trust = self._add(f"{_id(resource)} trust", _for_any_resource(self._text(resource, "AssumeRolePolicyDocument")))
        return Role(
            arn,
            trust,
            [self.managed(policy) for policy in attached]
            + [
                _id(policy)
                for policy in self.templates.resources("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
                if name in self.names.resolve(policy.properties.get("Roles") or [])
                and self._add(_id(policy), self._text(policy, "PolicyDocument"))
            ]
            + [
                self._add(f"{_id(resource)} {inline['PolicyName']}", self.names.resolve(inline["PolicyDocument"]))
                for inline in resource.properties.get("Policies") or []
            ],
            [self.managed(self.names.resolve(boundary))] if boundary else [],
        )

    def _resource_policies(self) -> Iterator[tuple[str, str]]:
        for bucket in self.templates.resources("AWS::S3::BucketPolicy"):
            arn = f"arn:aws:s3:::{self.names.resolve(bucket.properties['Bucket'])}"
            yield arn, self._add(_id(bucket), self._text(bucket, "PolicyDocument"))
        for key in self.templates.resources("AWS::KMS::Key"):
            yield self.names.of(key, "Arn"), self._add(_id(key), self._text(key, "KeyPolicy"))
        for policy in self.templates.resources("AWS::SNS::TopicPolicy"):
            for topic in self.names.resolve(policy.properties["Topics"]):
                yield topic, self._add(_id(policy), self._text(policy, "PolicyDocument"))
        for policy in self.templates.resources("AWS::SQS::QueuePolicy"):
            for url in self.names.resolve(policy.properties["Queues"]):
                arn = f"arn:aws:sqs:{self.templates.region}:{self.templates.account}:{url.rsplit('/', 1)[1]}"
                yield arn, self._add(_id(policy), self._text(policy, "PolicyDocument"))
        for repository in self.templates.resources("AWS::ECR::Repository"):
            if "RepositoryPolicyText" in repository.properties:
                text = _for_any_resource(self._text(repository, "RepositoryPolicyText"))
                yield self.names.of(repository, "Arn"), self._add(_id(repository), text)
        for policy in self.templates.resources("AWS::SecretsManager::ResourcePolicy"):
            secret = self.names.resolve(policy.properties["SecretId"])
            yield secret, self._add(_id(policy), self._text(policy, "ResourcePolicy"))

    def _text(self, resource: Resource, document: str) -> Document:
        text: Document = self.names.resolve(resource.properties[document])
        return text

    def _add(self, policy: str, document: Document) -> str:
        self.policies[policy] = document
        return policy


def _id(resource: Resource) -> str:
    return f"{resource.stack}/{resource.logical_id}"


def _for_any_resource(document: Document) -> Document:
    """Trust and repository policies name no resource: they are for the one they lie on."""
    return {**document, "Statement": [{"Resource": "*", **s} for s in as_list(document["Statement"])]}


def _default_endpoint_policy() -> Document:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
