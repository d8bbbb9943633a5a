"""What a case of test_platform_resources is, and resources that stand beside the one of a case."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "123456789012"


Clients = Callable[[str], Any]


Properties = dict[str, Any]


def trust(service: str) -> Properties:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def policy(action: str, resource: Any = "*", **more: Any) -> Properties:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def role(service: str = "lambda.amazonaws.com") -> Properties:
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust(service)}}


ROLE_ARN = {"Fn::GetAtt": ["Role", "Arn"]}


@dataclass(frozen=True)
class Case:
    """One type. show(client factory, outputs): what boto3 shows of it; outputs hold `Ref` and the `attributes`.

    first, second: what show must answer after creation and after the update. replaced: that the update has to make a
    new resource. show must raise ClientError, or answer `gone`, once the stack is deleted.
    """

    type_name: str
    before: Properties
    after: Properties
    show: Callable[[Clients, dict[str, str]], Any]
    first: Any
    second: Any
    others: Properties = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    replaced: bool = False
    gone: Any = None
