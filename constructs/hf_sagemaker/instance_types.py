"""SageMaker instance types: which exist, and what an image must bring to run on them.

The lists are those of botocore's service model, kept as data so that nothing imports botocore at synth; the families
are a table of ours. Both are checked against botocore by a test. Imports no CDK.
"""

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal

Use = Literal["training", "hosting", "processing", "transform"]
Accelerator = Literal["none", "gpu", "neuron", "gaudi"]
Architecture = Literal["x86_64", "arm64"]

_FOLDER = Path(__file__).parent


class UnknownInstanceTypeError(ValueError):
    """The name is not one that SageMaker has for this use."""


@dataclass(frozen=True)
class InstanceType:
    """One SageMaker instance type, for example `ml.g4dn.xlarge`.

    accelerator: what kind of device an image must be built for; `none` is CPU only.
    architecture: of the CPU; every published Hugging Face DLC is x86_64.
    instance_storage: has local NVMe. It is encrypted by hardware, and SageMaker refuses a volume key on it.
    compute_capability: NVIDIA's, as text; None without a GPU. 7.5 (T4) has no bf16 and no FlashAttention 2.
    """

    name: str
    accelerator: Accelerator = "none"
    architecture: Architecture = "x86_64"
    instance_storage: bool = False
    compute_capability: str | None = None

    @property
    def takes_volume_key(self) -> bool:
        """Whether a KMS key may be given for its storage volume."""
        return not self.instance_storage


@cache
def _load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    return content


def names(use: Use) -> list[str]:
    """All instance types that SageMaker offers for this use, in any region."""
    listed: list[str] = _load("instance_types.json")[use]
    return listed


def instance_type(name: str, use: Use) -> InstanceType:
    """The instance type of that name.

    Raises UnknownInstanceTypeError naming the nearest ones that exist.
    """
    known = names(use)
    if name not in known:
        nearest = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Nearest: {', '.join(nearest)}." if nearest else " Example: ml.g4dn.xlarge."
        raise UnknownInstanceTypeError(f"{name!r} is not an instance type of SageMaker {use}.{hint}")
    family = name.split(".")[1]
    return InstanceType(name=name, **_load("instance_families.json")["families"][family])
