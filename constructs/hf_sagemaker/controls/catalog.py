"""All controls, by number."""

from importlib import import_module
from pathlib import Path

from hf_sagemaker.controls.control import Control


def _groups() -> list[tuple[Control, ...]]:
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "catalog")
    modules = (import_module(f"hf_sagemaker.controls.{name}") for name in names)
    return [module.CONTROLS for module in modules if hasattr(module, "CONTROLS")]


CONTROLS: tuple[Control, ...] = tuple(
    sorted((control for group in _groups() for control in group), key=lambda control: control.number)
)
