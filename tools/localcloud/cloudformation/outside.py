"""What a template reads outside its own stack: exports, outputs of other stacks, SSM parameters, zones."""

import json
from collections.abc import Mapping
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import cloudformation_backends

from localcloud.cloudformation.parameters import read_ssm_parameter
from localcloud.cloudformation.stack import DeployedStack


class Outside:
    """Reads for one stack, and notes in the stack what was read.

    backend: the CloudFormation of the stack's account and region.
    """

    def __init__(self, backend: Any, stack: DeployedStack) -> None:
        self._backend = backend
        self._stack = stack

    def export(self, name: str) -> str:
        return self._noted("export", name)

    def stack_output(self, arguments: Mapping[str, Any]) -> str:
        return self._noted("output", json.dumps(dict(arguments), sort_keys=True))

    def parameter(self, name: str) -> str:
        return self._noted("parameter", name)

    def zones(self, region: str) -> list[str]:
        described = self._backend.api("ec2").describe_availability_zones()["AvailabilityZones"]
        own = [zone["ZoneName"] for zone in described]
        if not region or region == self._backend.region_name:
            return own
        return [region + zone.removeprefix(self._backend.region_name) for zone in own]

    def read(self, kind: str, key: str) -> str:
        """Raises ValidationError where there is no such thing."""
        if kind == "export":
            exports = self._backend.exports
            if key not in exports:
                raise ValidationError(message=f"No export named {key} found.")
            return str(exports[key].value)
        if kind == "parameter":
            return read_ssm_parameter(key, self._backend.api)
        return self._read_output(json.loads(key))

    def _read_output(self, arguments: dict[str, str]) -> str:
        # The role is how AWS reads a stack of another account: its ARN says which.
        role = arguments.get("RoleArn", "")
        account = role.split(":")[4] if role else self._backend.account_id
        region = arguments.get("Region") or self._backend.region_name
        stack: Any = cloudformation_backends[account][region].get_stack(arguments["StackName"])
        for output in stack.outputs:
            if output.output_key == arguments["OutputName"]:
                return str(output.output_value)
        raise ValidationError(
            message=f"Fn::GetStackOutput: stack {arguments['StackName']} has no output {arguments['OutputName']}"
        )

    def _noted(self, kind: str, key: str) -> str:
        self._stack.read_outside[kind, key] = value = self.read(kind, key)
        return value
