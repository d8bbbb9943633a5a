"""All controls, by number."""

from collections.abc import Sequence

from hf_sagemaker.controls import (
    bucket_policies,
    buckets,
    builds,
    containers,
    functions,
    hosting,
    identity,
    images,
    keys,
    limits,
    messaging,
    network,
    roles,
    training,
    workflow_data,
    workflow_states,
)
from hf_sagemaker.controls.control import Control
from hf_sagemaker.controls.templates import Templates

GROUPS = {
    "KMS": range(1, 8),
    "S3": range(8, 23),
    "IAM": range(23, 38),
    "SageMaker hosting": range(38, 53),
    "SageMaker training in Step Functions": range(53, 64),
    "Step Functions, Lambda, events, messaging": range(64, 74),
    "ECR, CodeBuild, pipeline": range(74, 84),
    "Network, logs, stacks": range(84, 90),
}
"""Which numbers belong together."""
_OF_POLICIES = (36, 37, 89)


CONTROLS: tuple[Control, ...] = tuple(
    sorted(
        (
            *keys.CONTROLS,
            *buckets.CONTROLS,
            *bucket_policies.CONTROLS,
            *identity.CONTROLS,
            *roles.CONTROLS,
            *hosting.CONTROLS,
            *containers.CONTROLS,
            *training.CONTROLS,
            *workflow_states.CONTROLS,
            *workflow_data.CONTROLS,
            *messaging.CONTROLS,
            *functions.CONTROLS,
            *images.CONTROLS,
            *builds.CONTROLS,
            *network.CONTROLS,
            *limits.CONTROLS,
        ),
        key=lambda control: control.number,
    )
)


def controls_for(templates: Templates) -> Sequence[Control]:
    """The controls that judge these templates: all, but for an organisation's, which hold nothing but policies."""
    if all(resource.type == "AWS::Organizations::Policy" for resource in templates.all) and templates.all:
        return [control for control in CONTROLS if control.number in _OF_POLICIES]
    return CONTROLS
