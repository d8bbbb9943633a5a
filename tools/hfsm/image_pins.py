"""`hfsm images update`: pins what `latest` stands for to the newest image of the catalogue, and says what changes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from hf_sagemaker import dlc_catalog
from hf_sagemaker.image_lock import FILE_NAME, ImageLockError, Pin, Pins, lock_text, read_lock
from hfsm.errors import OperatorError, WrongUseError

_ORGANIZATION = "organization"


class PinUpdate:
    """What an update would do.

    file: the lock file. changes: one line for each pin that changes, comes or goes; empty when it is current.
    """

    def __init__(self, folder: Path, environments: Sequence[str] = ()) -> None:
        """folder: with the environment files. environments: whose pins are renewed. Omitted: all.

        Raises WrongUseError for a file that cannot be read, and OperatorError where the catalogue has no image.
        """
        self.file = folder / FILE_NAME
        try:
            before = read_lock(self.file)
        except ImageLockError as error:
            raise WrongUseError(str(error)) from None
        self._after: Pins = {name: pins for name, pins in before.items() if environments and name not in environments}
        for name, content in _environments(folder, environments):
            self._after[name] = _newest(name, content)
        self.changes = list(_changes(before, self._after))

    def apply(self) -> None:
        """Write the lock file."""
        self.file.write_text(lock_text(self._after), encoding="utf-8")


def _environments(folder: Path, wanted: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    files = {file.stem: file for file in sorted(folder.glob("*.yaml")) if file.stem != _ORGANIZATION}
    if unknown := sorted(set(wanted) - set(files)):
        there = ", ".join(files) or "none"
        raise WrongUseError(f"{folder} has no environment {', '.join(unknown)}. It has {there}.")
    for name in wanted or files:
        try:
            content = yaml.safe_load(files[name].read_text(encoding="utf-8"))
            yield name, {"region": content["region"], "images": list(content.get("images") or [])}
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            raise WrongUseError(f"{files[name]}: is no environment file; `make synth` says what is wrong.") from None


def _newest(environment: str, content: dict[str, Any]) -> dict[str, Pin]:
    pins: dict[str, Pin] = {}
    for image in content["images"]:
        base = image.get("base", {}) if isinstance(image, dict) else {}
        if base.get("transformers") != dlc_catalog.LATEST:
            continue
        purpose, processor = base.get("purpose", ""), base.get("processor", "gpu")
        try:
            found = dlc_catalog.newest(purpose, region=content["region"], processor=processor)
        except (dlc_catalog.UnknownImageError, KeyError) as error:
            raise OperatorError(f"{environment}: image {image.get('name')} cannot be pinned: {error}") from None
        pins[str(image.get("name"))] = Pin(
            purpose=purpose,
            processor=processor,
            transformers=found.version,
            pytorch=found.framework.removeprefix("pytorch"),
        )
    return pins


def _changes(before: Pins, after: Pins) -> Iterator[str]:
    for environment in sorted(before.keys() | after.keys()):
        old, new = before.get(environment, {}), after.get(environment, {})
        for image in sorted(old.keys() | new.keys()):
            was, is_now = old.get(image), new.get(image)
            if was == is_now:
                continue
            where = f"{environment} / {image}"
            if was is None:
                yield f"{where}: {is_now} (new)"
            elif is_now is None:
                yield f"{where}: {was} goes: the settings do not say `latest` any more"
            else:
                yield f"{where}: {was} → {is_now}"
