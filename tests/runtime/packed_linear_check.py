"""Run by the serving image's Python: is a packed model the same, and what was left alone? Prints JSON."""

import json

import packed_linear
import torch
from transformers import DistilBertConfig, DistilBertForMaskedLM

torch.manual_seed(0)
config = DistilBertConfig(vocab_size=97, dim=64, hidden_dim=128, n_layers=2, n_heads=2)  # its head shares the embedding
model = DistilBertForMaskedLM(config).eval()
tokens = torch.randint(97, (3, 11))
with torch.inference_mode():
    before = model(tokens).logits
    packed_linear._is_faster = lambda layer: True  # whatever this machine is
    packed = packed_linear.pack_linear_layers(model)
    after = model(tokens).logits
kinds = {name: type(module).__name__ for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
half = torch.nn.Sequential(torch.nn.Linear(8, 8).half())
print(
    json.dumps(
        {
            "available": packed_linear._is_available(),
            "packed": packed,
            "difference": (before - after).abs().max().item(),
            "head": kinds["vocab_projector"],
            "layers": sorted({kind for name, kind in kinds.items() if name != "vocab_projector"}),
            "half": packed_linear.pack_linear_layers(half),
        }
    )
)
