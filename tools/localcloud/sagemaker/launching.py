"""A serving container's start and end: its image is pulled, its model brought, its program begun; later it drains."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from localcloud.images.container import Container
from localcloud.log_stream import LogStream
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.multi_model import MultiModelContainer
from localcloud.sagemaker.registry import ModelData, ServedModel
from localcloud.sagemaker.s3 import NoSuchDataError, download_model
from localcloud.sagemaker.serving_container import STOP_TIMEOUT, ServingContainer


def launch(
    compute: Compute,
    model: ServedModel,
    variant: str,
    log: LogStream,
    description: str,
    account: str,
    region: str,
    download_seconds: float | None = None,
) -> ServingContainer:
    """A container that has begun, and is not yet healthy.

    download_seconds: that bringing the model may take. Omitted: as long as it takes.
    UnknownImageError, NoSuchDataError: there is no such image, or no such model in time.
    """
    image = compute.image(model.image, model.role, log.write)
    container = compute.container(image, description)
    try:
        (container.opt_ml / "model").mkdir(exist_ok=True)
        if model.models:
            serving: ServingContainer = MultiModelContainer(
                container, variant, log, model.models, compute.client("s3", region)
            )
        else:
            serving = ServingContainer(container, variant, log)
        if model.data:
            _bring(compute, model.data, container, region, download_seconds)
        serving.start({**compute.environment(region, account), **model.environment})
    except BaseException:
        compute.remove(container)
        raise
    return serving


def end(compute: Compute, containers: Sequence[ServingContainer]) -> None:
    """Ends them together, and returns when they are gone: none takes a request any more, each answers what it has."""
    for serving in containers:
        serving.refuse()
    for serving in containers:
        serving.drain()
        serving.container.terminate()
    for serving in containers:
        serving.container.wait(STOP_TIMEOUT)
        compute.remove(serving.container)


def _bring(compute: Compute, data: ModelData, container: Container, region: str, seconds: float | None) -> None:
    """Downloads the model aside, where its time is limited: what comes too late comes into a folder that is gone."""
    s3, archive = compute.client("s3", region), container.folder / "model.tar.gz"
    folder = container.opt_ml / "model"
    if seconds is None:
        download_model(s3, data.uri, archive, folder, is_packed=data.is_packed)
        return
    aside = ThreadPoolExecutor(1, thread_name_prefix="model-download")
    try:
        aside.submit(download_model, s3, data.uri, archive, folder, is_packed=data.is_packed).result(seconds)
    except FutureTimeoutError:
        raise NoSuchDataError(
            f'Failed to download model data for container "container_1" from URL: "{data.uri}": it was not there after '
            "ModelDataDownloadTimeoutInSeconds."
        ) from None
    finally:
        aside.shutdown(wait=False)
