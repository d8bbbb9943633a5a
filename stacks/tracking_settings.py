"""Where training runs are tracked besides their reports. Never imports aws_cdk, see stacks/settings.py."""

import re
from typing import Annotated

from pydantic import Field

from stacks.settings_base import Problem, Settings

_SPEAKING = ("aws", "aws-us-gov")
"""Partitions whose tracking servers have an address that AWS's own plugin knows."""


class MlflowSettings(Settings):
    """A SageMaker managed MLflow tracking server, which gets to know of every training run."""

    tracking_server_arn: Annotated[
        str,
        Field(
            pattern=r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:mlflow-tracking-server/[A-Za-z0-9][A-Za-z0-9-]{0,255}$",
            description="ARN of an MLflow tracking server of this account and region",
        ),
    ]
    """The team's: it is paid for by the hour while it is started, and is not created here."""

    def problems(self, account: str, region: str) -> list[Problem]:
        """What no single field can know: (field path, value, what it must be)."""
        path, arn = "training.mlflow.tracking_server_arn", self.tracking_server_arn
        _, partition, _, where, owner, _ = re.split(":", arn, maxsplit=5)
        found: list[Problem] = []
        if (where, owner) != (region, account):
            found.append(
                (path, arn, f"must be a tracking server of this environment's region and account: {region}, {account}")
            )
        if partition not in _SPEAKING:
            found.append((path, arn, f"must be left out: tracking servers have no known address in {partition}"))
        return found
