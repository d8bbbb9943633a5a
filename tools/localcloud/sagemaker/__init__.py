"""SageMaker that runs: training, tuning, processing and transform jobs, endpoints, model packages.

install() puts it in the place of moto's; the other functions are for the process around it.
"""

import threading
from collections.abc import Iterator
from typing import Any

import moto.sagemaker.urls
import moto.sagemakerruntime.urls
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends

from localcloud.images.process_tree import kill_all
from localcloud.sagemaker import state
from localcloud.sagemaker.api import RunningSageMakerResponse
from localcloud.sagemaker.asynchronous_invocation import invoke_endpoint_async
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.endpoint_metrics import CONCURRENCY_SECONDS
from localcloud.sagemaker.running_job import RunningJob
from localcloud.sagemaker.runtime import invoke_endpoint
from localcloud.sagemaker.training import TrainingJob
from localcloud.settings import LocalCloud

__all__ = ["describe", "install", "interrupt", "shutdown"]

_METRICS_INTERVAL = 1.0  # seconds, or less where the clock runs faster


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once."""
    compute = Compute(cloud)
    RunningSageMakerResponse.compute = compute
    moto.sagemaker.urls.url_paths["{0}/$"] = RunningSageMakerResponse.dispatch
    invocations = "{0}/endpoints/(?P<name>[^/]+)/invocations$"
    moto.sagemakerruntime.urls.url_paths[invocations] = invoke_endpoint
    asynchronous = "{0}/endpoints/(?P<name>[^/]+)/async-invocations$"
    moto.sagemakerruntime.urls.url_paths[asynchronous] = invoke_endpoint_async
    threading.Thread(target=_flush_metrics, args=(compute,), name="endpoint-metrics", daemon=True).start()


def describe() -> dict[str, Any]:
    """Containers, jobs and endpoints, as the status shows them."""
    return {
        "containers": RunningSageMakerResponse.compute.describe(),
        "training_jobs": [
            {
                "name": job.training_job_name,
                "status": job.training_job_status,
                "secondary_status": job.secondary_status,
                "interruptions": job.interruptions,
            }
            for job in _training_jobs()
        ],
        "other_jobs": [{"name": job.name, "kind": job.kind, "status": job.status} for job in _other_jobs()],
        "endpoints": [
            {"name": endpoint.endpoint_name, "status": endpoint.endpoint_status} for endpoint in _endpoints()
        ],
    }


def interrupt(job_name: str) -> None:
    """Takes the job's spot instance away. KeyError: no such job; ValueError: none can be taken, and why."""
    for job in _training_jobs():
        if job.training_job_name == job_name:
            job.interrupt()
            return
    raise KeyError(job_name)


def shutdown() -> None:
    """Ends every container; returns when their processes are gone."""
    RunningSageMakerResponse.compute.shutdown()
    kill_all()  # image builds


def _backends() -> Iterator[SageMakerModelBackend]:
    for account in list(sagemaker_backends.values()):
        yield from list(account.values())


def _training_jobs() -> list[TrainingJob]:
    return [job for backend in _backends() for job in list(state.training_jobs(backend).values())]


def _other_jobs() -> list[RunningJob]:
    return [
        job
        for backend in _backends()
        for jobs in (state.processing_jobs(backend), state.transform_jobs(backend), state.tuning_jobs(backend))
        for job in list(jobs.values())
    ]


def _endpoints() -> list[Endpoint]:
    return [endpoint for backend in _backends() for endpoint in list(state.endpoints(backend).values())]


def _flush_metrics(compute: Compute) -> None:
    interval = min(_METRICS_INTERVAL, compute.cloud.seconds(CONCURRENCY_SECONDS))
    while not compute.stopping.wait(interval):
        for endpoint in _endpoints():
            endpoint.flush()
