"""Step Functions that execute: moto's interpreter, on every state machine, with SageMaker's integrations."""

from localcloud.settings import LocalCloud
from localcloud.stepfunctions import interpreter


def install(cloud: LocalCloud) -> None:
    """Extend moto's interpreter in this process."""
    interpreter.install(cloud)
