"""Types that moto's own CloudFormation models know and ours do not, as resource types of this CloudFormation."""

from collections.abc import Iterator, Mapping
from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.cloudformation.parsing import generate_resource_name, get_model_map

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType

# Nested stacks need more than a model: they stay unknown, which is an error, not a silent skip.
NOT_TAKEN = {"AWS::CloudFormation::Stack", "?", "AWS::SERVICE::RESOURCE"}


class MotoAttributes(Mapping[str, Any]):
    """`Fn::GetAtt` of a moto model: read when asked, for moto cannot list them."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __getitem__(self, name: str) -> Any:
        try:
            return self.model.get_cfn_attribute(name)
        except (AttributeError, NotImplementedError, UnformattedGetAttTemplateException):
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class MotoModel(ResourceType):
    """One class of moto. A change that moto's class cannot make in place is a replacement."""

    def __init__(self, model_class: Any) -> None:
        self._class = model_class

    def must_replace(self, before: Properties, after: Properties) -> bool:
        return before != after and _abstract(self._class.update_from_cloudformation_json)

    def create(self, request: Request) -> Deployed:
        model = self._class.create_from_cloudformation_json(
            self._name(request),
            self._json(request),
            request.api.account,
            request.api.region,
            LogicalId=request.logical_id,
            StackId=request.stack_id,
            ResourceType=self._class.cloudformation_type(),
        )
        return Deployed(str(model.physical_resource_id), MotoAttributes(model))

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        model = self._class.update_from_cloudformation_json(
            original_resource=_model(deployed),
            new_resource_name=self._name(request),
            cloudformation_json=self._json(request),
            account_id=request.api.account,
            region_name=request.api.region,
        )
        return Deployed(str(model.physical_resource_id), MotoAttributes(model))

    def delete(self, request: Request, deployed: Deployed) -> None:
        account, region, model = request.api.account, request.api.region, _model(deployed)
        if callable(getattr(model, "delete", None)):
            model.delete(account, region)
        elif not _abstract(self._class.delete_from_cloudformation_json):
            self._class.delete_from_cloudformation_json(deployed.physical_id, self._json(request), account, region)

    def _json(self, request: Request) -> dict[str, Any]:
        return {"Type": self._class.cloudformation_type(), "Properties": request.properties}

    def _name(self, request: Request) -> str:
        given = request.properties.get(self._class.cloudformation_name_type() or "")
        type_name = self._class.cloudformation_type()
        return str(given or generate_resource_name(type_name, request.stack_name, request.logical_id))


def moto_types() -> dict[str, ResourceType]:
    """By name, those of moto's models that can at least be created."""
    return {
        name: MotoModel(model_class)
        for name, model_class in get_model_map().items()
        if name not in NOT_TAKEN and not _abstract(model_class.create_from_cloudformation_json)
    }


def _abstract(method: Any) -> bool:
    return hasattr(method, "__isabstractmethod__")


def _model(deployed: Deployed) -> Any:
    attributes = deployed.attributes
    assert isinstance(attributes, MotoAttributes)
    return attributes.model
