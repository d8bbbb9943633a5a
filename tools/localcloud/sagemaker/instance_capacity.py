"""What an instance has, and what a copy of an inference component needs of it.

The numbers are EC2's (https://aws.amazon.com/ec2/instance-types). SageMaker keeps some of the memory for itself, and
does not say how much: here a copy may have all of it.
"""

import re
from dataclasses import dataclass
from typing import Any

from moto.sagemaker.exceptions import ValidationError

_TYPE = re.compile(r"^ml\.(?P<family>[a-z]+[0-9][a-z0-9-]*)\.(?P<size>[a-z0-9]+)$")
_CPUS = {"medium": 1, "large": 2, "xlarge": 4}
# GiB of memory per processor, of families whose sizes all have the same.
_MEMORY = {"c": 2, "m": 4, "r": 8}
_GPU_MEMORY = {"g4dn": 4, "g5": 4, "g6": 4, "g6e": 8}
_GPUS = {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}  # one in the others
# processors, accelerators, GiB
_OTHERS = {
    "ml.p3.2xlarge": (8, 1, 61),
    "ml.p3.8xlarge": (32, 4, 244),
    "ml.p3.16xlarge": (64, 8, 488),
    "ml.p4d.24xlarge": (96, 8, 1152),
    "ml.p4de.24xlarge": (96, 8, 1152),
    "ml.p5.48xlarge": (192, 8, 2048),
    "ml.p5e.48xlarge": (192, 8, 2048),
    "ml.p5en.48xlarge": (192, 8, 2048),
    "ml.inf2.xlarge": (4, 1, 16),
    "ml.inf2.8xlarge": (32, 1, 128),
    "ml.inf2.24xlarge": (96, 6, 384),
    "ml.inf2.48xlarge": (192, 12, 768),
}


@dataclass(frozen=True)
class Capacity:
    """Processors, accelerators (GPUs or Inferentia chips) and MiB of memory."""

    cpus: float = 0.0
    accelerators: float = 0.0
    memory: float = 0.0

    def __add__(self, other: "Capacity") -> "Capacity":
        return Capacity(self.cpus + other.cpus, self.accelerators + other.accelerators, self.memory + other.memory)

    def holds(self, other: "Capacity") -> bool:
        return other.cpus <= self.cpus and other.accelerators <= self.accelerators and other.memory <= self.memory

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU cores, {self.accelerators:g} accelerators and {self.memory:g} MB of memory"


def capacity_of(instance_type: str) -> Capacity:
    """ValidationError: it is not known here what such an instance has."""
    if numbers := _OTHERS.get(instance_type):
        return Capacity(numbers[0], numbers[1], numbers[2] * 1024)
    match = _TYPE.match(instance_type)
    family, size = (match["family"], match["size"]) if match else ("", "")
    cpus = _CPUS.get(size) or (4 * int(size.removesuffix("xlarge")) if re.fullmatch(r"\d+xlarge", size) else 0)
    per_cpu = _GPU_MEMORY.get(family) or (_MEMORY.get(family[0]) if re.fullmatch(r"[cmr]\d[a-z]*", family) else None)
    if not cpus or not per_cpu:
        raise ValidationError(f"The embedded AWS does not know what an instance of type {instance_type} has.")
    return Capacity(cpus, _GPUS.get(size, 1) if family in _GPU_MEMORY else 0, cpus * per_cpu * 1024)


def required_by(specification: dict[str, Any]) -> Capacity:
    """ComputeResourceRequirements of a copy."""
    needs = specification["ComputeResourceRequirements"]
    return Capacity(
        needs.get("NumberOfCpuCoresRequired") or 0.0,
        needs.get("NumberOfAcceleratorDevicesRequired") or 0.0,
        needs["MinMemoryRequiredInMb"],
    )
