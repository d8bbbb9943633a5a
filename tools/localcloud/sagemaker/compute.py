"""What all SageMaker containers of one embedded AWS share: images, folders, clients, and the list of what runs."""

import re
import shutil
import threading
import uuid
from collections.abc import Callable
from typing import Any

from botocore.config import Config
from moto.ecr.models import ecr_backends

from localcloud import clients
from localcloud.accounts import credentials
from localcloud.images import deep_learning_containers
from localcloud.images.container import Container
from localcloud.images.other_containers import CANNOT_RUN
from localcloud.images.store import Image, ImageStore, UnknownImageError
from localcloud.repository_policy import admits
from localcloud.settings import LocalCloud

_IMAGE_URI = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)

_CONFIG = Config(proxies={}, max_pool_connections=clients.MOST_CONNECTIONS, retries={"total_max_attempts": 3})
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


class Compute:
    """The machine park. Containers are registered here from their creation to their removal."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.store = ImageStore(cloud.image_store)
        self.stopping = threading.Event()
        self._containers: dict[str, tuple[Container, str]] = {}
        self._lock = threading.Lock()
        self._folder = cloud.state_dir / "containers"
        shutil.rmtree(self._folder, ignore_errors=True)  # of a run that was killed

    def client(self, service: str, region: str) -> Any:
        """A client for this cloud itself; any number of threads may use it."""
        return clients.client(self.cloud.endpoint_url, self.cloud.account, region, service, _CONFIG)

    def image(self, uri: str, role: str, report: Callable[[str], None]) -> Image:
        """The image that ECR has under this name, pulled by this role, whose ARN it is.

        UnknownImageError: it has none, another account's does not let the role pull, its folder is gone, or it stands
        in for one that cannot run here.
        """
        image = self._image(uri, role, report)
        if reason := image.config.labels.get(CANNOT_RUN):
            raise UnknownImageError(reason)
        return image

    def _image(self, uri: str, role: str, report: Callable[[str], None]) -> Image:
        if kind := deep_learning_containers.kind_of(uri):
            config = deep_learning_containers.base(kind, self.store, self.cloud.requirements_dir, report)
            return self.store.add(config)
        match = _IMAGE_URI.match(uri)
        if not match:
            raise UnknownImageError(f"{uri!r} is not the name of an image in ECR")
        repository = ecr_backends[match["account"]][match["region"]].repositories.get(match["repository"])
        if repository is None:
            raise UnknownImageError(_not_found(uri, f"ECR has no repository {match['repository']!r}"))
        account = role.split(":")[4]
        if account != match["account"]:
            refused = [a for a in _PULL if not admits(repository.policy, a, account=account, role=role)]
            if refused:
                raise UnknownImageError(
                    f"Access denied for repository: {match['repository']} in registry ID: {match['account']}. Please "
                    f"check if your ECR repository and image exist and role {role} has proper pull permissions for "
                    f"SageMaker: {', '.join(refused)}"
                )
        for entry in repository.images:
            if match["digest"] == entry.get_image_digest() or (match["tag"] or "latest") in entry.image_tags:
                return self.store.image(entry.get_image_digest())
        raise UnknownImageError(_not_found(uri, f"the repository {match['repository']!r} has no such image"))

    def container(self, image: Image, description: str) -> Container:
        """A new container with its folder made, its program not yet started."""
        identifier = uuid.uuid4().hex[:12]
        container = Container(image, self._folder / identifier)
        with self._lock:
            self._containers[identifier] = (container, description)
        container.create()
        if self.stopping.is_set():
            container.remove()
            raise InterruptedError("the embedded AWS is being stopped")
        return container

    def remove(self, container: Container) -> None:
        """Ends its processes now; its tens of thousands of files go away while others go on."""
        container.kill()
        threading.Thread(target=self._remove, args=(container,), name="container-removal").start()

    def _remove(self, container: Container) -> None:
        container.remove()
        with self._lock:
            self._containers.pop(container.folder.name, None)

    def environment(self, region: str, account: str) -> dict[str, str]:
        """What every container gets: how to reach this cloud, as whom, and no way to the hub."""
        return {
            "AWS_ENDPOINT_URL": self.cloud.endpoint_url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HF_HUB_OFFLINE": "1",
            **credentials(account),
        }

    def describe(self) -> list[dict[str, Any]]:
        with self._lock:
            containers = list(self._containers.items())
        return [
            {"id": identifier, "description": description, "pid": container.pid, "exit_code": container.exit_code}
            for identifier, (container, description) in containers
        ]

    def shutdown(self) -> None:
        """Ends every container and removes its folder; no new one can be made afterwards."""
        with self._lock:
            self.stopping.set()
            containers = [container for container, _ in self._containers.values()]
        threads = [threading.Thread(target=container.remove) for container in containers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _not_found(uri: str, why: str) -> str:
    """AWS's words, and which of the two it is."""
    return (
        f"Cannot find the requested image: '{uri}'. Please check if your ECR repository and image exist and the role "
        f"has proper pull permissions for SageMaker: {why}"
    )
