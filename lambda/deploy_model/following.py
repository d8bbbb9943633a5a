"""The stacks of endpoints that follow job types, as they are now."""

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from deploy_model.registry import Followed


class FollowingStacks:
    """Which there are, parameters say that are made with the stacks; what they serve, CloudFormation."""

    def __init__(self, cloudformation: Any, ssm: Any, followed: Sequence[Followed]) -> None:
        self._cloudformation = cloudformation
        self._described: dict[str, Mapping[str, Any] | None] = {}
        self._names = {each.job_type: _values_below(ssm, each.stacks) for each in followed}
        self._followed = followed

    def names(self) -> list[str]:
        """Of all."""
        return sorted({name for names in self._names.values() for name in names})

    def followed_by(self, name: str) -> list[Followed]:
        """What the stack follows. Empty: it is none of these stacks."""
        return [each for each in self._followed if name in self._names[each.job_type]]

    def serving(self, followed: Followed) -> list[str]:
        """The versions that stacks have read which follow this job type."""
        stacks = [self.described(name) for name in self._names[followed.job_type]]
        return [version for stack in stacks if stack and (version := followed.read_by(stack))]

    def described(self, name: str) -> Mapping[str, Any] | None:
        """As DescribeStacks answers. None: it is gone."""
        if name not in self._described:
            self._described[name] = self._ask(name)
        return self._described[name]

    def _ask(self, name: str) -> Mapping[str, Any] | None:
        try:
            (stack,) = self._cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in error.response["Error"].get("Message", ""):
                raise
            return None
        found: Mapping[str, Any] = stack
        return found


def _values_below(ssm: Any, path: str) -> list[str]:
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path)
    return [str(each["Value"]) for page in pages for each in page["Parameters"]]
