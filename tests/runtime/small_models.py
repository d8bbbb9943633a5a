"""Makes one tiny model of random weights for each of several architectures; run with a serving image's Python.

The argument names the folder; each model lies in a folder of its own there.
"""

import sys
from pathlib import Path

import torch
import transformers

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("is", "anybody", "nobody", "there", "?", ".", "film", "good"),
]
_SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def main(folder: Path) -> None:
    torch.manual_seed(0)
    distilbert = transformers.DistilBertConfig(
        vocab_size=len(WORDS), dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=64
    )
    bert = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **_SMALL)
    vit = transformers.ViTConfig(image_size=32, patch_size=8, num_labels=3, **_SMALL)
    models = {
        "classifier": transformers.DistilBertForSequenceClassification(distilbert),
        "base": transformers.DistilBertModel(distilbert),
        "answers": transformers.DistilBertForQuestionAnswering(distilbert),
        "masked": transformers.BertForMaskedLM(bert),
        "images": transformers.ViTForImageClassification(vit),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
        if name == "images":
            transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder / name)
        else:
            _tokenizer(folder / name)
    pickled = folder / "pickled"
    models["classifier"].save_pretrained(pickled)
    (pickled / "model.safetensors").unlink()
    torch.save(models["classifier"].state_dict(), pickled / "pytorch_model.bin")
    _tokenizer(pickled)


def _tokenizer(folder: Path) -> None:
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    transformers.DistilBertTokenizerFast(str(vocabulary), model_max_length=64).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
