"""Lets a trained text classifier answer on labelled texts, and says how well it does.

It runs in a SageMaker processing job, in the training image: `model/model.tar.gz` and the JSON Lines files of `data/`
below /opt/ml/processing/ are its inputs. The scores go to `evaluation/evaluation.json` there, and as one line of JSON
into /opt/ml/output/message, which the job's description shows: whoever waits for the job need not read S3.

Where it cannot, that file says why.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import exit_message
from data import DataError, Example, majority_baseline, read_examples
from reporting import say
from unpacking import unpack

_BATCH = 64
_SHOWN = 300  # characters of an error of transformers, which may name all models that it knows


class ModelError(Exception):
    """The archive is no text classifier that can answer on the data. The message says why, and what to do."""


def main(base: Path) -> None:
    """base: /opt/ml."""
    scores = score(base / "processing/model/model.tar.gz", base / "processing/data")
    folder = base / "processing/evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    document = {"schema_version": "1", "metrics": scores}
    (folder / "evaluation.json").write_text(json.dumps(document, indent=2) + "\n")
    exit_message.write(base, json.dumps(scores))
    say("scores", **scores)


def score(archive: Path, data: Path) -> dict[str, float]:
    """{eval_accuracy, eval_loss, eval_rows, majority_baseline} of the archived model on all examples of the folder."""
    examples = read_examples(data)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with tempfile.TemporaryDirectory() as folder:
        unpack(archive, Path(folder))
        right, loss = _answers(Path(folder), examples)
    return {
        "eval_accuracy": round(right / len(examples), 4),
        "eval_loss": round(loss / len(examples), 4),
        "eval_rows": len(examples),
        "majority_baseline": round(majority_baseline(examples), 4),
    }


def _answers(folder: Path, examples: list[Example]) -> tuple[int, float]:
    """How many answers are right, and the sum of the losses."""
    # Not before: importing torch takes seconds, in which broken data is told.
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(
            "The trained model.tar.gz cannot be loaded as a text classifier: its top folder must be what "
            f"save_pretrained writes, model and tokenizer. {str(error)[:_SHOWN]}"
        ) from error
    known = model.config.num_labels
    if unknown := sorted({example.label for example in examples if example.label >= known}):
        raise ModelError(
            f"The data has the labels {', '.join(map(str, unknown[:10]))}, and the model knows 0 to {known - 1} only."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    right, loss = 0, 0.0
    with torch.inference_mode():
        for first in range(0, len(examples), _BATCH):
            batch = examples[first : first + _BATCH]
            texts = [example.text for example in batch]
            longest = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512))
            inputs = tokenizer(texts, truncation=True, max_length=longest, padding=True, return_tensors="pt")
            labels = torch.tensor([example.label for example in batch], device=device)
            logits = model(**inputs.to(device)).logits
            right += int((logits.argmax(dim=-1) == labels).sum())
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
    return right, loss


if __name__ == "__main__":
    sys.exit(exit_message.run(main, DataError, ModelError))
