"""What is put over a published container image: this library's runtime, and what a team asks for besides.

Imports no CDK: settings are checked with it.
"""

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hf_sagemaker import requirements
from hf_sagemaker.base_image import BaseImage, OwnImage
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.dlc_catalog import Purpose
from hf_sagemaker.serving import Serving

_RUNTIME = Path(__file__).with_name("runtime")
_INSIDE = "/opt/hf_sagemaker"
_OWN = "own"
_SERVER = "server"
_NEURON = ("neuron", "neuronx")
# Where a build has a package index or a proxy of its own, image_build.sh hands their configuration over.
_PIP_SECRET = "--mount=type=secret,id=pip.conf"
_APT_SECRET = "--mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf.d/99proxy"
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", "*.in")


@dataclass(frozen=True, kw_only=True)
class ImageExtension:
    """An image to build.

    purpose: what it is for, and so which of this library's runtimes is put into it, where one is: see `has_runtime`.
    base: the image that it extends.
    requirements: distributions to install besides, pinned, see requirements.requirement_problems. With hashes they are
        installed as they are; without, with what they depend on and the base lacks. PyTorch stays the base's own.
    apt_packages: Debian packages to install.
    dockerfile: for the rest; its folder is its context. It gets the image with all of the above as BASE_IMAGE.
    serving: which server starts in an inference image that gets the runtime, and what it may do. Omitted: the batching
        one, which runs no code of models and loads no pickles; on Neuron the toolkit's. `Serving(server="toolkit")` is
        the stock server.

    Raises ValueError for `serving` where no inference runtime is put into the image: it starts with what it brings.
    """

    purpose: Purpose
    base: BaseImage
    requirements: tuple[str, ...] = ()
    apt_packages: tuple[str, ...] = ()
    dockerfile: Path | None = None
    serving: Serving | None = None

    def __post_init__(self) -> None:
        if self.serving and not self._serves:
            raise ValueError(f"{self.base.repository} gets no server of this library: leave `serving` out.")

    @property
    def _serves(self) -> bool:
        return self.purpose == "inference" and self.has_runtime

    @property
    def _served_by(self) -> Serving | None:
        """None where no server of ours is put into it. The batching one knows no Neuron."""
        default = Serving(server="toolkit" if self._is_neuron else "batching")
        return (self.serving or default) if self._serves else None

    @property
    def has_runtime(self) -> bool:
        """Whether this library's runtime goes into it: `runtime/images/<purpose>`, `runtime/<purpose>`.

        A server of others starts with what it brings itself. So does serving on Neuron: a core belongs to one process,
        and the runtime loads the model once before its workers do.
        """
        if isinstance(self.base, OwnImage):
            return self.base.runtime
        return self.base.product == "training" or (self.base.product == "inference" and not self._is_neuron)

    @property
    def server(self) -> str:
        """What starts in an image without the runtime: the server's name, `neuronx`, or `own`. Empty with the runtime.

        `image_checks/server.sh` knows how each is tried.
        """
        if self.has_runtime:
            return ""
        if isinstance(self.base, OwnImage):
            return "own"
        return self.base.processor if self.base.product == "inference" else self.base.product

    @property
    def _is_neuron(self) -> bool:
        return self.base.processor in _NEURON

    @property
    def keeps_transformers(self) -> bool:
        """Whether the base's own libraries stay.

        The runtime's are pinned within one major version of transformers; a Neuron image's fit its compiler.
        """
        own, base = runtime_pins(self.purpose)["transformers"], self.base.transformers or ""
        return not self.has_runtime or self._is_neuron or own.split(".")[0] != base.split(".")[0]

    @property
    def pinned(self) -> dict[str, str]:
        """Distribution → version of everything that is installed over the base by name."""
        own = {} if self.keeps_transformers else runtime_pins(self.purpose)
        return own | requirements.pins("\n".join(self.requirements))

    def described(self, name: str) -> ContainerImage:
        """The image as compatibility is judged; its URI is still the base's. name: what people call it."""
        serving = self._served_by
        if isinstance(self.base, OwnImage):
            return ContainerImage.from_own(self.base, name=name, pinned=self.pinned, serving=serving)
        return ContainerImage.from_dlc(self.base, name=name, pinned=self.pinned, serving=serving)

    @property
    def dockerfile_path(self) -> str:
        """Of the Dockerfile to build, in what `write_context` writes; the context is the folder itself."""
        return f"{self._folder}/Dockerfile"

    @property
    def _folder(self) -> str:
        return f"images/{self.purpose if self.has_runtime else _SERVER}"

    @property
    def own_dockerfile_path(self) -> str:
        """Of the Dockerfile of a team's own, whose context is its folder; empty when there is none."""
        return f"{_OWN}/{self.dockerfile.name}" if self.dockerfile else ""

    def write_context(self, folder: Path) -> None:
        """Fills an empty folder with what the build needs; what is in it depends on nothing else than this object."""
        for part in (self._folder, "image_checks", *([self.purpose] if self.has_runtime else [])):
            shutil.copytree(_RUNTIME / part, folder / part, ignore=_IGNORED)
        image = folder / self._folder
        if self.has_runtime and self.keeps_transformers:
            version = f"{self.base.transformers} " if self.base.transformers else ""
            kept = f"# transformers {version}and what goes with it are the base's own.\n"
            (image / "requirements.txt").write_text(kept, encoding="utf-8")
        if serving := self._served_by:
            (image / "image_settings.json").write_text(serving.as_json(), encoding="utf-8")
        if self.requirements:
            (image / "added-requirements.txt").write_text("\n".join(self.requirements) + "\n", encoding="utf-8")
            shutil.copy(_RUNTIME / "images/install_requirements.py", image)
        if lines := self._added_instructions():
            with (folder / self.dockerfile_path).open("a", encoding="utf-8") as file:
                file.write("\n# What the settings of the environment add.\n" + "".join(f"{line}\n" for line in lines))
        if self.dockerfile:
            shutil.copytree(self.dockerfile.parent, folder / _OWN, ignore=_IGNORED)
        for path in folder.rglob("*"):  # whatever this machine's umask: who runs the image is not who built it
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)

    def _added_instructions(self) -> list[str]:
        lines = []
        if self.apt_packages:
            lines.append(
                f"RUN {_APT_SECRET} apt-get update && apt-get install --yes --no-install-recommends "
                f"{' '.join(self.apt_packages)} && rm -rf /var/lib/apt/lists/*"
            )
        if self.requirements:
            copied = [f"{self._folder}/{name}" for name in ("install_requirements.py", "added-requirements.txt")]
            python = "python" if self.has_runtime else "python3"
            lines.append(f"COPY {' '.join(copied)} {_INSIDE}/")
            lines.append(
                f"RUN {_PIP_SECRET} {python} {_INSIDE}/install_requirements.py {_INSIDE}/added-requirements.txt"
            )
        return lines


@cache
def runtime_pins(purpose: Purpose) -> dict[str, str]:
    """Distribution → version of what the runtime's image installs."""
    return requirements.pins((_RUNTIME / f"images/{purpose}/requirements.txt").read_text(encoding="utf-8"))
