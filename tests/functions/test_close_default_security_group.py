"""The custom resource that closes a VPC's default security group: what it does, and what CloudFormation is told."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from close_default_security_group import handler
from close_default_security_group.logic import StillOpen, bring_about, close
from tests.functions.waiting_stack import LOG, request_of


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(config={"core": {"passthrough": {"urls": ["http://127.0.0.1"]}}}):
        yield boto3.client("ec2")


@pytest.fixture
def default_group(ec2: Any) -> str:
    """The default security group of a new VPC: open to itself, and outwards to everywhere."""
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    group_id: str = groups[0]["GroupId"]
    itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group_id}]}]
    if not groups[0]["IpPermissions"]:
        ec2.authorize_security_group_ingress(GroupId=group_id, IpPermissions=itself)
    assert _rules(ec2, group_id) > 0
    return group_id


def _rules(ec2: Any, group_id: str) -> int:
    (group,) = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    return len(group["IpPermissions"]) + len(group["IpPermissionsEgress"])


def test_every_rule_is_taken_and_cloudformation_told(ec2: Any, default_group: str, waiting: Any) -> None:
    # Given a new VPC, and CloudFormation that waits
    request = request_of(waiting, ResourceProperties={"DefaultSecurityGroupId": default_group})
    # When Lambda runs the function
    handler.handle(request, SimpleNamespace(log_stream_name=LOG))
    # Then the group is closed, and the answer is what the protocol asks for
    assert _rules(ec2, default_group) == 0
    ((answer, content_type),) = waiting.answers
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": default_group,
        "StackId": request["StackId"],
        "RequestId": "request-1",
        "LogicalResourceId": "Closed",
        "Data": {},
    }
    assert not content_type  # the signed address is for none


def test_closing_twice_is_closing_once(ec2: Any, default_group: str) -> None:
    close(ec2, default_group)
    close(ec2, default_group)
    assert _rules(ec2, default_group) == 0


def test_delete_changes_nothing_and_succeeds(ec2: Any, default_group: str, waiting: Any) -> None:
    before = _rules(ec2, default_group)
    request = request_of(
        waiting, "Delete", PhysicalResourceId="as-created", ResourceProperties={"DefaultSecurityGroupId": default_group}
    )
    handler.handle(request, SimpleNamespace(log_stream_name=LOG))
    assert _rules(ec2, default_group) == before
    ((answer, _),) = waiting.answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "as-created")


def test_a_missing_property_is_told(ec2: Any) -> None:
    with pytest.raises(ValueError, match="DefaultSecurityGroupId is missing"):
        bring_about(ec2, {})


class _Ec2:
    """EC2 that refuses the first calls, or forgets a rule that it told of."""

    exceptions = SimpleNamespace(ClientError=ClientError)

    def __init__(self, *, refusals: int = 0, code: str = "UnauthorizedOperation", forgets: bool = False) -> None:
        self.refusals, self.code, self.forgets = refusals, code, forgets
        self.revoked: list[Any] = []

    def describe_security_groups(self, **_: Any) -> dict[str, Any]:
        if self.refusals:
            self.refusals -= 1
            raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "DescribeSecurityGroups")
        return {"SecurityGroups": [{"IpPermissions": [], "IpPermissionsEgress": [{"IpProtocol": "-1"}]}]}

    def revoke_security_group_ingress(self, **_: Any) -> dict[str, Any]:
        raise AssertionError("there is no such rule")

    def revoke_security_group_egress(self, **request: Any) -> dict[str, Any]:
        self.revoked.append(request)
        return {"UnknownIpPermissions": request["IpPermissions"]} if self.forgets else {"Return": True}


def test_a_policy_that_does_not_count_yet_is_waited_for() -> None:
    ec2, pauses = _Ec2(refusals=3), list[float]()
    close(ec2, "sg-1", wait=pauses.append)
    assert ec2.revoked
    assert len(pauses) == 3
    assert sum(pauses) < 60  # Lambda stops the function after two minutes


@pytest.mark.parametrize("ec2", [_Ec2(refusals=99), _Ec2(refusals=1, code="InvalidGroup.NotFound")])
def test_what_does_not_pass_is_raised(ec2: Any) -> None:
    with pytest.raises(ClientError):
        close(ec2, "sg-1", wait=lambda _: None)


def test_a_rule_that_may_be_left_is_a_failure() -> None:
    with pytest.raises(StillOpen, match="sg-1 may still have"):
        close(_Ec2(forgets=True), "sg-1")
