"""The image store: a folder of layers, images and tags, shared by every process that builds or runs."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_COMPLETE = "complete"


class UnknownImageError(Exception):
    """No image of that name or digest is in the store; the message says which."""


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """What a Dockerfile sets. Paths are paths inside the container.

    layers: keys of the layers, base first; the last one named `venv` or `rootfs` holds what the container gets.
    venv, rootfs: key of the layer that holds the virtual environment and the files; None means nothing was installed
        or copied yet.
    user is recorded and shown only: containers run as whoever runs the embedded AWS.
    """

    layers: tuple[str, ...] = ()
    venv: str | None = None
    rootfs: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    exposed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Image:
    """One image of the store. venv and rootfs are folders of this machine that nobody may write into."""

    digest: str
    config: ImageConfig
    venv: Path
    rootfs: Path | None


class ImageStore:
    """Layers are named by the hash of what goes into them: what is there need not be made again.

    A layer is made under a lock and counts only once its marker is written, so an interrupted build leaves nothing
    that a later one could take for finished, and two builds at once make a layer once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        for name in ("layers", "locks", "images", "tags"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def folder(self, key: str) -> Path:
        return self.root / "layers" / key[:16]

    def layer(self, key: str, make: Callable[[Path], None], report: Callable[[str], None] = print) -> bool:
        """Makes sure that the layer exists; False: make(folder) filled it now, True: it was there."""
        folder = self.folder(key)
        with self._lock(key, report):
            if (folder / _COMPLETE).is_file():
                return True
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            (folder / _COMPLETE).write_text(key)
            return False

    @contextmanager
    def _lock(self, key: str, report: Callable[[str], None]) -> Iterator[None]:
        with (self.root / "locks" / key[:16]).open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report("waiting for another build that is making the same layer")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def add(self, config: ImageConfig) -> Image:
        """Adds an image; the same configuration always has the same digest."""
        body = _json(asdict(config))
        digest = "sha256:" + hashlib.sha256(manifest_of(config).encode()).hexdigest()
        folder = self.root / "images" / digest.removeprefix("sha256:")
        folder.mkdir(exist_ok=True)
        partial = folder / f"config.json.{os.getpid()}"
        partial.write_text(body)
        partial.rename(folder / "config.json")
        return self.image(digest)

    def image(self, digest: str) -> Image:
        path = self.root / "images" / digest.removeprefix("sha256:") / "config.json"
        if not path.is_file():
            raise UnknownImageError(f"no image {digest} in {self.root}: it was built on another machine or removed")
        values: dict[str, Any] = json.loads(path.read_text())
        tuples = {name: tuple(values[name]) for name in ("layers", "entrypoint", "cmd", "exposed")}
        config = ImageConfig(**{**values, **tuples})
        if config.venv is None or not (self.folder(config.venv) / _COMPLETE).is_file():
            raise UnknownImageError(f"the layers of image {digest} are gone from {self.root}: build it again")
        rootfs = self.folder(config.rootfs) / "rootfs" if config.rootfs else None
        return Image(digest, config, self.folder(config.venv) / "venv", rootfs)

    def tag(self, name: str, image: Image) -> None:
        """Points a name to an image on this machine, as `docker build --tag` does."""
        path = self.root / "tags" / quote(name, safe="")
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_text(image.digest)
        partial.rename(path)

    def tagged(self, name: str) -> Image:
        path = self.root / "tags" / quote(name, safe="")
        if not path.is_file():
            raise UnknownImageError(f"An image does not exist locally with the tag: {name}")
        return self.image(path.read_text())


def manifest_of(config: ImageConfig) -> str:
    """The image manifest that goes to a registry.

    Its digests are hashes of what made the layers, not of archives: nothing is ever packed here.
    """
    body = _json(asdict(config))
    layers = [{"mediaType": _LAYER_TYPE, "size": 0, "digest": f"sha256:{key}"} for key in config.layers]
    digest = hashlib.sha256(body.encode()).hexdigest()
    settings = {"mediaType": _CONFIG_TYPE, "size": len(body), "digest": f"sha256:{digest}"}
    return _json({"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": settings, "layers": layers})


def key_of(*parts: str) -> str:
    """Hash of a layer's inputs."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
