"""Templates of SSM parameters, with which tests of CloudFormation itself look at what it does."""

import json
from typing import Any

from tests.local.embedded_aws import RunningLocalCloud


def parameter(value: Any, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **properties}}


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


def value_of(localcloud: RunningLocalCloud, name: str) -> str:
    return str(localcloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def exists(localcloud: RunningLocalCloud, name: str) -> bool:
    return bool(localcloud.client("ssm").get_parameters(Names=[name])["Parameters"])
