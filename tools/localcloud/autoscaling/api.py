"""Operations of Application Auto Scaling that are different here, and DescribeScalingActivities, which moto lacks."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse, _build_policy, _build_target

from localcloud.autoscaling.registration import DIMENSIONS, ObjectNotFoundError, require_target
from localcloud.autoscaling.scaler import Scaler
from localcloud.autoscaling.schedule import next_time

_ROLES = {
    "endpoint": "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
    "inference-component": "AWSServiceRoleForApplicationAutoScaling_SageMakerInferenceComponent",
}
_PAGE = 50


class ScalingResponse(ApplicationAutoScalingResponse):
    """In the place of moto's."""

    scaler: ClassVar[Scaler]

    def register_scalable_target(self) -> str:
        """A capacity outside the new bounds is brought within them."""
        before = self._target()
        least, most = (self._get_param(name) for name in ("MinCapacity", "MaxCapacity"))
        least = getattr(before, "min_capacity", None) if least is None else least
        most = getattr(before, "max_capacity", None) if most is None else most
        if least is None or most is None:
            raise AWSValidationException("A new scalable target needs MinCapacity and MaxCapacity.")
        if least > most:
            raise AWSValidationException("Maximum capacity cannot be less than minimum capacity.")
        answer = super().register_scalable_target()
        target = self._target()
        if target.service_namespace == "sagemaker":
            target.role_arn = target.role_arn or self._service_role(target.resource_id)
            self.scaler.check_bounds(target, "")
        return answer

    def describe_scalable_targets(self) -> str:
        self._validate_params()
        names = ("ServiceNamespace", "ResourceIds", "ScalableDimension")
        found = self.applicationautoscaling_backend.describe_scalable_targets(*(self._get_param(n) for n in names))
        return self._page("ScalableTargets", [_build_target(each) for each in found])

    def describe_scaling_policies(self) -> str:
        """moto's answers policies of resources whose id is a part of the one that is asked for."""
        found = [each for each in self.applicationautoscaling_backend.policies.values() if self._is_asked_for(each)]
        names = self._get_param("PolicyNames")
        policies = [_build_policy(each) for each in found if not names or each.policy_name in names]
        return self._page("ScalingPolicies", policies)

    def describe_scaling_activities(self) -> str:
        resource_id, dimension = self._get_param("ResourceId"), self._get_param("ScalableDimension")
        activities = [
            each.describe()
            for each in self.scaler.activities(self.current_account, self.region)
            if resource_id in (None, each.resource_id) and dimension in (None, each.dimension)
        ]
        return self._page("ScalingActivities", activities)

    def put_scheduled_action(self) -> str:
        self._require_target()
        try:
            next_time(self._get_param("Schedule") or "", self._get_param("Timezone"), datetime.now(UTC))
        except ValueError as error:
            raise AWSValidationException(str(error)) from None
        return super().put_scheduled_action()

    def delete_scheduled_action(self) -> str:
        name = self._get_param("ScheduledActionName")
        actions = self.applicationautoscaling_backend.scheduled_actions
        if not any(each.scheduled_action_name == name and self._is_asked_for(each) for each in actions):
            raise ObjectNotFoundError(f"No scheduled action found with name: {name}")
        return super().delete_scheduled_action()

    def delete_scaling_policy(self) -> str:
        name = self._get_param("PolicyName")
        policies = self.applicationautoscaling_backend.policies.values()
        if not any(each.policy_name == name and self._is_asked_for(each) for each in policies):
            raise ObjectNotFoundError(f"No scaling policy found with name: {name}")
        return super().delete_scaling_policy()

    def _validate_params(self) -> None:
        """moto knows one of SageMaker's three dimensions."""
        if self._get_param("ServiceNamespace") != "sagemaker":
            super()._validate_params()
        elif (dimension := self._get_param("ScalableDimension")) not in (None, *DIMENSIONS):
            known = ", ".join(DIMENSIONS)
            raise AWSValidationException(
                f"1 validation error detected: Value '{dimension}' at 'scalableDimension' failed to satisfy "
                f"constraint: Member must satisfy enum value set: [{known}]"
            )

    def _target(self) -> Any:
        targets = self.applicationautoscaling_backend.targets.get(self._get_param("ScalableDimension"), {})
        return targets.get(self._get_param("ResourceId"))

    def _require_target(self) -> None:
        names = ("ServiceNamespace", "ResourceId", "ScalableDimension")
        require_target(self.applicationautoscaling_backend, *(self._get_param(name) for name in names))

    def _is_asked_for(self, each: Any) -> bool:
        return (
            each.service_namespace == self._get_param("ServiceNamespace")
            and self._get_param("ResourceId") in (None, each.resource_id)
            and self._get_param("ScalableDimension") in (None, each.scalable_dimension)
        )

    def _service_role(self, resource_id: str) -> str:
        role = _ROLES[resource_id.partition("/")[0]]
        path = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com"
        return f"arn:aws:iam::{self.current_account}:role/{path}/{role}"

    def _page(self, name: str, found: Sequence[Any]) -> str:
        """NextToken is where the next page begins."""
        begin = int(self._get_param("NextToken") or 0)
        end = begin + int(self._get_param("MaxResults") or _PAGE)
        return json.dumps({name: found[begin:end]} | ({"NextToken": str(end)} if end < len(found) else {}))
