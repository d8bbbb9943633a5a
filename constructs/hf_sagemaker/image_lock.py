"""What `latest` stands for: the versions that `hfsm images update` pinned, in environments/images.lock.json.

Imports no CDK: settings and operators' tools read it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "images.lock.json"
_SCHEMA_VERSION = "1"

Pins = dict[str, dict[str, "Pin"]]
"""Environment → image → pin."""


class ImageLockError(ValueError):
    """The lock file is not one; the message says what to do."""


@dataclass(frozen=True)
class Pin:
    """What `latest` stands for in one image of one environment.

    purpose, processor: of the base that was asked for; a pin of another kind is none.
    transformers, pytorch: versions, x.y.z.
    """

    purpose: str
    processor: str
    transformers: str
    pytorch: str

    def fits(self, purpose: str, processor: str) -> bool:
        """Whether it is a pin of such a base."""
        return (self.purpose, self.processor) == (purpose, processor)

    def __str__(self) -> str:
        return f"transformers {self.transformers}, PyTorch {self.pytorch}"


def read_lock(file: Path) -> Pins:
    """The pins; none where there is no file.

    Raises ImageLockError when the file is something else.
    """
    if not file.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if content["schema_version"] != _SCHEMA_VERSION:
            raise ValueError(f"its schema_version is {content['schema_version']!r}, not {_SCHEMA_VERSION!r}")
        return {
            environment: {name: Pin(**pin) for name, pin in images.items()}
            for environment, images in content["images"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageLockError(
            f"{file}: is no lock file of images: {error}. Restore it, or delete it and run `hfsm images update`."
        ) from None


def lock_text(pins: Mapping[str, Mapping[str, Pin]]) -> str:
    """The content of the lock file."""
    images = {
        environment: {name: asdict(pin) for name, pin in sorted(named.items())}
        for environment, named in sorted(pins.items())
        if named
    }
    about = "What `latest` stands for. Written by `hfsm images update`."
    return json.dumps({"about": about, "schema_version": _SCHEMA_VERSION, "images": images}, indent=2) + "\n"
