"""Where an endpoint's model comes from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSource:
    """A choice, made by one of the class methods.

    model_package_arn: version in the model registry; it names image, model data and environment.
    """

    model_package_arn: str

    @classmethod
    def from_registry(cls, model_package_arn: str) -> "ModelSource":
        """An approved version of a model package group, `arn:…:model-package/<group>/<version>`."""
        return cls(model_package_arn=model_package_arn)
