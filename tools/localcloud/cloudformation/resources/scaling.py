"""Application Auto Scaling: what scales, and by which policy."""

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType, delete_if_there

IDENTITY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
SERVICE = "application-autoscaling"


class ScalableTarget(ResourceType):
    """`Ref` answers `resource|dimension|namespace`, which the policies name as their target."""

    type_name = "AWS::ApplicationAutoScaling::ScalableTarget"
    replaced_by = frozenset(IDENTITY)

    def create(self, request: Request) -> Deployed:
        request.api(SERVICE).register_scalable_target(**request.arguments(SERVICE, "RegisterScalableTarget"))
        resource, dimension, namespace = (
            request.properties[name] for name in ("ResourceId", "ScalableDimension", "ServiceNamespace")
        )
        physical_id = f"{resource}|{dimension}|{namespace}"
        return Deployed(physical_id, {"Id": physical_id})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self.create(request)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(
            request.api(SERVICE).deregister_scalable_target,
            **{name: request.properties[name] for name in IDENTITY},
        )


class ScalingPolicy(ResourceType):
    type_name = "AWS::ApplicationAutoScaling::ScalingPolicy"
    replaced_by = frozenset({"PolicyName", "ScalingTargetId", *IDENTITY})

    def create(self, request: Request) -> Deployed:
        arguments = request.arguments(SERVICE, "PutScalingPolicy", **self._target(request.properties))
        arn = request.api(SERVICE).put_scaling_policy(**arguments)["PolicyARN"]
        return Deployed(arn, {"Arn": arn, "PolicyName": request.properties["PolicyName"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self.create(request)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(
            request.api(SERVICE).delete_scaling_policy,
            PolicyName=request.properties["PolicyName"],
            **self._target(request.properties),
        )

    def _target(self, properties: Properties) -> dict[str, str]:
        if "ScalingTargetId" in properties:
            resource, dimension, namespace = properties["ScalingTargetId"].split("|")
            return {"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": namespace}
        return {name: properties[name] for name in IDENTITY}


TYPES = (ScalableTarget, ScalingPolicy)
