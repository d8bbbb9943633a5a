"""What this package keeps in moto's dictionaries, under the types that it really has there."""

from typing import Any, cast

from moto.core.utils import utcnow
from moto.sagemaker.models import SageMakerModelBackend

from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.processing import ProcessingJob
from localcloud.sagemaker.training import TrainingJob
from localcloud.sagemaker.transform import TransformJob
from localcloud.sagemaker.tuning import TuningJob


class EndpointConfig:
    """An endpoint configuration, kept as it was requested.

    Replaces moto's, which drops members that it does not know and refuses instance types newer than its own list.
    Attributes in lower case are those that moto's ListEndpointConfigs and tagging read.
    """

    def __init__(self, request: dict[str, Any], arn: str) -> None:
        self.request = request
        self.arn = arn
        self.endpoint_config_name: str = request["EndpointConfigName"]
        self.tags: list[dict[str, str]] = request.get("Tags") or []
        self.creation_time = utcnow()

    def summary(self) -> dict[str, Any]:
        return {
            "EndpointConfigName": self.endpoint_config_name,
            "EndpointConfigArn": self.arn,
            "CreationTime": self.creation_time,
        }

    @property
    def response_object(self) -> dict[str, Any]:
        return {**{name: value for name, value in self.request.items() if name != "Tags"}, **self.summary()}


def training_jobs(backend: SageMakerModelBackend) -> dict[str, TrainingJob]:
    return cast("dict[str, TrainingJob]", backend.training_jobs)


def processing_jobs(backend: SageMakerModelBackend) -> dict[str, ProcessingJob]:
    return cast("dict[str, ProcessingJob]", backend.processing_jobs)


def transform_jobs(backend: SageMakerModelBackend) -> dict[str, TransformJob]:
    return cast("dict[str, TransformJob]", backend.transform_jobs)


def tuning_jobs(backend: SageMakerModelBackend) -> dict[str, TuningJob]:
    return cast("dict[str, TuningJob]", backend.hyper_parameter_tuning_jobs)


def endpoint_configs(backend: SageMakerModelBackend) -> dict[str, EndpointConfig]:
    return cast("dict[str, EndpointConfig]", backend.endpoint_configs)


def endpoints(backend: SageMakerModelBackend) -> dict[str, Endpoint]:
    return cast("dict[str, Endpoint]", backend.endpoints)
