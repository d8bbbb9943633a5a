"""Makes the models that are served, with random weights. Runs in the inference image's Python:

    PYTHONPATH=…/runtime/training python make_models.py TEXTS FOLDER NAME…    # names: tiny, base

`tiny` is what the demo trains: two layers, 128 wide. `base` has distilbert-base's size: six layers, 768 wide. Both
share a tokenizer that is trained on TEXTS/train.jsonl.
"""

import sys
from pathlib import Path

import texts
import torch
from data import Example
from hyperparameters import Hyperparameters
from small_model import build_model, train_tokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

_NAMES = {0: "NEGATIVE", 1: "POSITIVE"}


def make(folder: Path, name: str, tokenizer: PreTrainedTokenizerFast) -> None:
    """folder/name, as a training job leaves a model."""
    torch.manual_seed(0)
    if name == "tiny":
        model = build_model(tokenizer, _NAMES, Hyperparameters())
    else:
        size = {"vocab_size": 30522, "dim": 768, "hidden_dim": 3072, "n_layers": 6, "n_heads": 12}
        labels = {"id2label": _NAMES, "label2id": {label: number for number, label in _NAMES.items()}}
        model = DistilBertForSequenceClassification(
            DistilBertConfig(**size, **labels, max_position_embeddings=512, pad_token_id=tokenizer.pad_token_id)
        )
    model.save_pretrained(folder / name)
    tokenizer.save_pretrained(folder / name)


def main(source: str, target: str, *names: str) -> None:
    examples = [Example(text=text, label=0) for text in texts.read(Path(source) / "train.jsonl")]
    tokenizer = train_tokenizer(examples, Hyperparameters())
    for name in names:
        make(Path(target), name, tokenizer)


if __name__ == "__main__":
    main(*sys.argv[1:])
