"""Where a construct is deployed, asked of the CDK once."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from aws_cdk import Stack
from constructs import IConstruct


@dataclass(frozen=True)
class Place:
    """Partition, region and account of a stack: names, or tokens in a stack that is for any account."""

    partition: str
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        """ARN of a resource of this account and region, for example `arn("ssm", "parameter/hf-sagemaker/dev")`."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


_stacks: WeakKeyDictionary[IConstruct, Stack] = WeakKeyDictionary()
_of_stacks: WeakKeyDictionary[IConstruct, Place] = WeakKeyDictionary()


def stack_of(construct: IConstruct) -> Stack:
    """The construct's stack. Each question to the CDK is a call into another process; this asks once."""
    if construct not in _stacks:
        _stacks[construct] = construct if isinstance(construct, Stack) else Stack.of(construct)
    return _stacks[construct]


def place_of(construct: IConstruct) -> Place:
    """The place of the construct's stack, asked once per stack."""
    stack = stack_of(construct)
    if stack not in _of_stacks:
        _of_stacks[stack] = Place(stack.partition, stack.region, stack.account)
    return _of_stacks[stack]
