"""Linear layers on a CPU by whichever of torch's two libraries is the faster there.

torch multiplies float32 matrices with MKL, which on processors that are not Intel's does without their widest
instructions; oneDNN, which torch carries as well, uses them. Which is faster is measured when the model is loaded (2.2
times on an AMD EPYC with AVX-512); where it is not oneDNN, nothing changes. Numbers differ in the last digits only.
"""

import time
from typing import Any

import torch

_ROWS = 64  # about the tokens of a small batch
_WORTHWHILE = 1.15


class PackedLinear(torch.nn.Linear):
    """A linear layer whose weight lies in memory as oneDNN wants it. For inference only."""

    _multiply: Any

    @classmethod
    def of(cls, layer: torch.nn.Linear) -> "PackedLinear":
        packed = cls.__new__(cls)
        torch.nn.Module.__init__(packed)
        packed.in_features, packed.out_features = layer.in_features, layer.out_features
        packed.weight = torch.nn.Parameter(_reordered(layer.weight.detach()), requires_grad=False)
        packed.bias = layer.bias
        # The overload itself: to look it up takes longer than to multiply by a small layer.
        packed._multiply = torch.ops.mkldnn._linear_pointwise.default
        return packed.eval()

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (torch's name)
        answer: torch.Tensor = self._multiply(input, self.weight, self.bias, "none", [], "")
        return answer


def pack_linear_layers(model: torch.nn.Module) -> bool:
    """Replaces the linear layers where that makes them faster. False: it would not, and nothing was changed.

    Left alone: layers of other kinds, on another device, of another type than float32, and weights that something else
    shares, an embedding for example.
    """
    layers = _packable(model)
    if not layers or not _is_available():
        return False
    if not _is_faster(max((layer for _, _, layer in layers), key=lambda layer: layer.weight.numel())):
        return False
    for parent, name, layer in layers:
        setattr(parent, name, PackedLinear.of(layer))
    return True


def _packable(model: torch.nn.Module) -> list[tuple[torch.nn.Module, str, torch.nn.Linear]]:
    owners: dict[int, int] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    return [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer) is torch.nn.Linear
        and layer.weight.dtype == torch.float32
        and layer.weight.device.type == "cpu"
        and owners[id(layer.weight)] == 1
    ]


def _is_available() -> bool:
    operations = getattr(torch.ops, "mkldnn", None)
    return torch.backends.mkldnn.is_available() and hasattr(operations, "_linear_pointwise")


def _is_faster(layer: torch.nn.Linear) -> bool:
    """Both ways in turn, the best of some rounds each: other work on the machine makes single ones slower."""
    rows = torch.ones(_ROWS, layer.in_features)
    packed = PackedLinear.of(layer)
    best = {"mkl": float("inf"), "onednn": float("inf")}
    with torch.inference_mode():
        for _ in range(12):
            for name, each in (("mkl", layer), ("onednn", packed)):
                started = time.perf_counter()
                each(rows)
                best[name] = min(best[name], time.perf_counter() - started)
    return best["mkl"] > _WORTHWHILE * best["onednn"]


def _reordered(weight: torch.Tensor) -> torch.Tensor:
    packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
    return packed
