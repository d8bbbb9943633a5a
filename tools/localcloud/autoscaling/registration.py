"""What is registered with Application Auto Scaling, where moto's is wrong for SageMaker.

moto does not know copies of inference components and provisioned concurrency of endpoints, keeps the policies and
actions of a target that is deregistered, gives a policy another ARN whenever it is put, and makes no alarms for
SageMaker.
"""

from typing import Any

from moto.applicationautoscaling import models
from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import ApplicationAutoscalingBackend, FakeApplicationAutoscalingPolicy
from moto.core.exceptions import JsonRESTError

from localcloud.autoscaling import tracking
from localcloud.autoscaling.capacity import CONCURRENCY, COPIES, INSTANCES

DIMENSIONS = {INSTANCES: "endpoint/", CONCURRENCY: "endpoint/", COPIES: "inference-component/"}
"""Of SageMaker, with how their resource ids begin."""


class ObjectNotFoundError(JsonRESTError):
    """ObjectNotFoundException."""

    def __init__(self, message: str) -> None:
        super().__init__("ObjectNotFoundException", message)


def install() -> None:
    module, backend = models, ApplicationAutoscalingBackend
    own: Any = backend
    valid_as_moto, put_as_moto = module._target_params_are_valid, backend.put_scaling_policy
    deregister_as_moto = backend.deregister_scalable_target

    def target_params_are_valid(namespace: str, r_id: str, dimension: str) -> bool:
        if namespace != "sagemaker":
            return valid_as_moto(namespace, r_id, dimension)
        if not r_id.startswith(DIMENSIONS.get(dimension, " ")):
            raise AWSValidationException("Unsupported service namespace, resource type or scalable dimension")
        return True

    def put_scaling_policy(self: Any, **arguments: Any) -> FakeApplicationAutoscalingPolicy:
        namespace, resource_id, dimension, name = (
            arguments[each] for each in ("service_namespace", "resource_id", "scalable_dimension", "policy_name")
        )
        require_target(self, namespace, resource_id, dimension)
        before = self.policies.get(
            FakeApplicationAutoscalingPolicy.formulate_key(namespace, resource_id, dimension, name)
        )
        policy = put_as_moto(self, **arguments)
        if before:
            policy.policy_arn, policy.creation_time = before.policy_arn, before.creation_time
            before.delete_alarms(self.account_id, self.region_name)
        if namespace == "sagemaker" and policy.policy_type == "TargetTrackingScaling":
            policy.alarms = tracking.make_alarms(policy)
        return policy

    def deregister_scalable_target(self: Any, namespace: str, r_id: str, dimension: str) -> None:
        require_target(self, namespace, r_id, dimension)
        deregister_as_moto(self, namespace, r_id, dimension)
        for key, policy in list(self.policies.items()):
            if (policy.resource_id, policy.scalable_dimension) == (r_id, dimension):
                policy.delete_alarms(self.account_id, self.region_name)
                del self.policies[key]
        self.scheduled_actions = [
            each for each in self.scheduled_actions if (each.resource_id, each.scalable_dimension) != (r_id, dimension)
        ]

    patched: Any = module
    patched._target_params_are_valid = target_params_are_valid
    own.put_scaling_policy = put_scaling_policy
    own.deregister_scalable_target = deregister_scalable_target


def require_target(backend: ApplicationAutoscalingBackend, namespace: str, resource_id: str, dimension: str) -> None:
    """Raises ObjectNotFoundError: it is not registered."""
    if resource_id not in backend.targets.get(dimension, {}):
        raise ObjectNotFoundError(
            f"No scalable target registered for service namespace: {namespace}, resource ID: {resource_id}, "
            f"scalable dimension: {dimension}"
        )
