"""What CloudFormation would call each resource: references become names and ARNs, as IAM compares them.

Made up, but always the same: a policy is judged by which names are equal, never by how they look.
"""

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from hf_sagemaker.controls.templates import Resource, Templates

_REFERENCE = re.compile(r"\$\{([\w-]+)/(\w+)\.([\w.:]+)\}")

# type → attribute → what it becomes. {name} is the resource's own name where its template gives one.
_FORMS: dict[str, dict[str, str]] = {
    "AWS::CloudWatch::Alarm": {"Arn": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}", "Ref": "{name}"},
    "AWS::CodeBuild::Project": {
        "Arn": "arn:{partition}:codebuild:{region}:{account}:project/{name}",
        "Ref": "{name}",
    },
    "AWS::EC2::FlowLog": {"Id": "fl-{hex}", "Ref": "fl-{hex}"},
    "AWS::EC2::RouteTable": {"Ref": "rtb-{hex}", "RouteTableId": "rtb-{hex}"},
    "AWS::EC2::SecurityGroup": {"GroupId": "sg-{hex}", "Id": "sg-{hex}", "Ref": "sg-{hex}"},
    "AWS::EC2::Subnet": {"Ref": "subnet-{hex}", "SubnetId": "subnet-{hex}"},
    "AWS::EC2::VPC": {"DefaultSecurityGroup": "sg-d{hex}", "Ref": "vpc-{hex}", "VpcId": "vpc-{hex}"},
    "AWS::EC2::VPCEndpoint": {"Id": "vpce-{hex}", "Ref": "vpce-{hex}"},
    "AWS::ECR::Repository": {
        "Arn": "arn:{partition}:ecr:{region}:{account}:repository/{name}",
        "Ref": "{name}",
        "RepositoryUri": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
    },
    "AWS::IAM::ManagedPolicy": {
        "PolicyArn": "arn:{partition}:iam::{account}:policy{path}{name}",
        "Ref": "arn:{partition}:iam::{account}:policy{path}{name}",
    },
    "AWS::IAM::Role": {
        "Arn": "arn:{partition}:iam::{account}:role{path}{name}",
        "Ref": "{name}",
        "RoleId": "AROA{hex}",
    },
    "AWS::KMS::Key": {
        "Arn": "arn:{partition}:kms:{region}:{account}:key/{uuid}",
        "KeyId": "{uuid}",
        "Ref": "{uuid}",
    },
    "AWS::Lambda::Function": {
        "Arn": "arn:{partition}:lambda:{region}:{account}:function:{name}",
        "Ref": "{name}",
    },
    "AWS::Logs::LogGroup": {
        "Arn": "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",
        "Ref": "{name}",
    },
    "AWS::S3::Bucket": {"Arn": "arn:{partition}:s3:::{name}", "Ref": "{name}"},
    "AWS::SageMaker::Endpoint": {
        "EndpointName": "{name}",
        "Ref": "arn:{partition}:sagemaker:{region}:{account}:endpoint/{name}",
    },
    "AWS::SageMaker::EndpointConfig": {
        "EndpointConfigName": "{name}",
        "Ref": "arn:{partition}:sagemaker:{region}:{account}:endpoint-config/{name}",
    },
    "AWS::SageMaker::Model": {
        "ModelName": "{name}",
        "Ref": "arn:{partition}:sagemaker:{region}:{account}:model/{name}",
    },
    "AWS::SageMaker::ModelPackageGroup": {
        "ModelPackageGroupArn": "arn:{partition}:sagemaker:{region}:{account}:model-package-group/{name}",
        "Ref": "arn:{partition}:sagemaker:{region}:{account}:model-package-group/{name}",
    },
    "AWS::SNS::Topic": {
        "Ref": "arn:{partition}:sns:{region}:{account}:{name}",
        "TopicArn": "arn:{partition}:sns:{region}:{account}:{name}",
        "TopicName": "{name}",
    },
    "AWS::SecretsManager::Secret": {
        "Id": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-a1b2c3",
        "Ref": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-a1b2c3",
    },
    "AWS::SQS::Queue": {
        "Arn": "arn:{partition}:sqs:{region}:{account}:{name}",
        "QueueName": "{name}",
        "Ref": "https://sqs.{region}.amazonaws.com/{account}/{name}",
    },
    "AWS::SSM::Parameter": {"Ref": "{name}"},
    "AWS::StepFunctions::StateMachine": {
        "Arn": "arn:{partition}:states:{region}:{account}:stateMachine:{name}",
        "Name": "{name}",
        "Ref": "arn:{partition}:states:{region}:{account}:stateMachine:{name}",
    },
}
# The property that names a resource, where its template may give one; IAM allows 64 characters, S3 63.
_NAMED_BY = {
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SageMaker::Endpoint": "EndpointName",
    "AWS::SageMaker::ModelPackageGroup": "ModelPackageGroupName",
    "AWS::SSM::Parameter": "Name",
    "AWS::SecretsManager::Secret": "Name",
}


class UnknownReferenceError(LookupError):
    """A policy refers to something that this table cannot name."""


class PhysicalNames:
    """Names the resources of one environment."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._resources = {(r.stack, r.logical_id): r for r in templates.all}

    def of(self, resource: Resource, attribute: str) -> str:
        """The name or ARN behind a reference. Raises UnknownReferenceError where the table has none."""
        form = _FORMS.get(resource.type, {}).get(attribute)
        if form is None:
            raise UnknownReferenceError(
                f"{resource.stack}/{resource.logical_id}.{attribute}: no physical name is known for attribute "
                f"{attribute} of {resource.type}; add it to {__name__}"
            )
        generated = f"{resource.stack}-{resource.logical_id}"
        identity = uuid.uuid5(uuid.NAMESPACE_URL, generated)
        name = resource.properties.get(_NAMED_BY.get(resource.type, ""))
        return form.format(
            partition="aws",
            region=self._templates.region,
            account=self._templates.account,
            name=self.resolve(name) if name else _shortened(generated, resource.type),
            path=resource.properties.get("Path") or "/",
            hex=identity.hex[:17],
            uuid=identity,
        )

    def resolve(self, value: Any) -> Any:
        """A resolved value of a template with every reference named. Raises UnknownReferenceError."""
        if isinstance(value, str):
            return _REFERENCE.sub(self._named, value)
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        found = {key: self.resolve(item) for key, item in value.items()}
        if len(found) == 1:
            ((function, argument),) = found.items()
            if function.startswith("Fn::"):
                return _evaluated(function, argument)
        return found

    def _named(self, reference: re.Match[str]) -> str:
        stack, logical_id, attribute = reference.groups()
        resource = self._resources.get((stack, logical_id))
        if resource is None:
            raise UnknownReferenceError(f"{reference.group()}: no template holds this resource")
        return self.of(resource, attribute)


def _shortened(name: str, kind: str) -> str:
    if kind == "AWS::S3::Bucket":
        name = name.lower()
    return name if len(name) <= 63 else f"{name[:50]}-{uuid.uuid5(uuid.NAMESPACE_URL, name).hex[:12]}"


def _evaluated(function: str, argument: Any) -> Any:
    if function == "Fn::Split" and isinstance(argument[1], str):
        return argument[1].split(argument[0])
    if function == "Fn::Select" and isinstance(argument[1], list):
        return argument[1][int(argument[0])]
    if function == "Fn::Join" and all(isinstance(part, str) for part in argument[1]):
        return argument[0].join(argument[1])
    raise UnknownReferenceError(f"{function} of {json.dumps(argument)}: cannot be followed")
