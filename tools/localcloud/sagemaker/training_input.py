"""What SageMaker puts below /opt/ml before a job begins, and what it reads there when the job has failed."""

import contextlib
import json
from pathlib import Path
from typing import Any

from localcloud.images.container import Container
from localcloud.sagemaker.file_systems import mount
from localcloud.sagemaker.s3 import NoSuchDataError, download_manifest, download_prefix

LONGEST_REASON = 1024  # characters of a FailureReason


def host_names(request: dict[str, Any]) -> list[str]:
    """algo-1, algo-2, …: as SageMaker names the instances of a job, in the order in which it sorts them."""
    return sorted(f"algo-{number + 1}" for number in range(request["ResourceConfig"].get("InstanceCount") or 1))


def download(s3: Any, request: dict[str, Any], container: Container, file_systems: Path, host: str = "algo-1") -> None:
    """Folders, channels and configuration files of one instance. NoSuchDataError: a channel has no data.

    file_systems: where the file systems lie that channels name.
    """
    hosts = host_names(request)
    root = container.opt_ml
    for name in ("input/config", "model", "output/data", "code", "checkpoints"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for channel in request.get("InputDataConfig") or []:
        if mounted := channel["DataSource"].get("FileSystemDataSource"):
            mount(mounted, file_systems, root / "input/data" / channel["ChannelName"])
            continue
        source = channel["DataSource"]["S3DataSource"]
        uri = source["S3Uri"]
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        share = (hosts.index(host), len(hosts)) if sharded else (0, 1)
        try:
            bring = download_manifest if source["S3DataType"] == "ManifestFile" else download_prefix
            number = bring(s3, uri, root / "input/data" / channel["ChannelName"], share)
        except s3.exceptions.ClientError as error:
            raise NoSuchDataError(f"Data download failed: {error.response['Error']['Message']} ({uri})") from None
        if number == 0:
            raise NoSuchDataError(
                f'Data download failed: No S3 objects found under S3 URL "{uri}" given in input data source '
                f"of channel {channel['ChannelName']!r}"
            )
    for name, content in _config_files(request, container, host).items():
        (root / "input/config" / name).write_text(json.dumps(content))


def algorithm_error(container: Container) -> str:
    """What SageMaker makes of /opt/ml/output/failure: the text, shortened so that the exit code stays."""
    end = f", exit code: {container.exit_code}"
    text = ""
    with contextlib.suppress(FileNotFoundError):
        text = (container.opt_ml / "output/failure").read_text(errors="replace").strip()
    start = f"AlgorithmError: {text}"
    return start[: LONGEST_REASON - len(end)] + end


def _config_files(request: dict[str, Any], container: Container, host: str) -> dict[str, Any]:
    """The files that SageMaker documents below /opt/ml/input/config."""
    instance = request["ResourceConfig"].get("InstanceType", "")
    hosts = host_names(request)
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance, "hosts": hosts}
    return {
        "hyperparameters.json": {
            name: _outside(container, value) for name, value in (request.get("HyperParameters") or {}).items()
        },
        "inputdataconfig.json": {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": (channel["DataSource"].get("S3DataSource") or {}).get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": "None",
                **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
            }
            for channel in request.get("InputDataConfig") or []
        },
        "resourceconfig.json": {
            "current_host": host,
            "current_instance_type": instance,
            "current_group_name": "homogeneousCluster",
            "hosts": hosts,
            "instance_groups": [group],
            "network_interface_name": "lo",
        },
    }


def _outside(container: Container, value: str) -> str:
    """A hyperparameter whose JSON text is a path of the container (the code that an image carries), as ours."""
    try:
        text = json.loads(value)
    except ValueError:
        return container.paths.outside(value)
    return json.dumps(container.paths.outside(text)) if isinstance(text, str) else value
