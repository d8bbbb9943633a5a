"""What is put over a published container image: this library's runtime, and what a team asks for besides.

Imports no CDK: settings are checked with it.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.dlc_catalog import DeepLearningContainer, Purpose

RUNTIME = Path(__file__).with_name("runtime")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class ImageExtension:
    """An image to build.

    purpose: which of this library's runtimes is put into it: `runtime/images/<purpose>`, `runtime/<purpose>`.
    base: the published image that it extends.
    """

    purpose: Purpose
    base: DeepLearningContainer

    @property
    def keeps_transformers(self) -> bool:
        """Whether the base's own libraries stay: the runtime's are pinned within one major version of transformers."""
        own, base = runtime_pins(self.purpose)["transformers"], self.base.transformers or ""
        return own.split(".")[0] != base.split(".")[0]

    @property
    def pinned(self) -> dict[str, str]:
        """Distribution → version of everything that is installed over the base."""
        return {} if self.keeps_transformers else dict(runtime_pins(self.purpose))

    def described(self, name: str) -> ContainerImage:
        """The image as compatibility is judged; its URI is still the base's. name: what people call it."""
        return ContainerImage.from_dlc(self.base, name=name, pinned=self.pinned)


@cache
def runtime_pins(purpose: Purpose) -> dict[str, str]:
    """Distribution → version of what the runtime's image installs."""
    return pins((RUNTIME / f"images/{purpose}/requirements.txt").read_text(encoding="utf-8"))


def pins(requirements: str) -> dict[str, str]:
    """Distribution → version of each pinned line; names as pip compares them."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in _PIN.findall(requirements)}
