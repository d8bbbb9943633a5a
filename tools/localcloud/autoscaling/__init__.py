"""Application Auto Scaling that scales SageMaker: install() puts it in the place of moto's, which only keeps."""

import moto.applicationautoscaling.urls
from botocore.config import Config

from localcloud import clients
from localcloud.autoscaling import registration
from localcloud.autoscaling.api import ScalingResponse
from localcloud.autoscaling.scaler import Scaler
from localcloud.cloudwatch import changes
from localcloud.settings import LocalCloud

__all__ = ["install", "shutdown"]

_CONFIG = Config(proxies={}, retries={"total_max_attempts": 1})


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once."""
    registration.install()
    ScalingResponse.scaler = Scaler(
        cloud, lambda account, region: clients.client(cloud.endpoint_url, account, region, "sagemaker", _CONFIG)
    )
    changes.on_scaling_action(ScalingResponse.scaler.ask)
    for path in moto.applicationautoscaling.urls.url_paths:
        moto.applicationautoscaling.urls.url_paths[path] = ScalingResponse.dispatch
    ScalingResponse.scaler.start()


def shutdown() -> None:
    """Nothing is scaled from now on."""
    ScalingResponse.scaler.stop()
