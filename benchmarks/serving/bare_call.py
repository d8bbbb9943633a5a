"""Times the model alone: tokenizer, model and softmax in one process, one text after the other, without any server.

    python bare_call.py MODEL TEXTS    # in the inference image's Python

Reads `THREADS SECONDS` from each line of standard input and answers with the median in milliseconds.
"""

import statistics
import sys
import time
from pathlib import Path

import texts
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def main(folder: str, source: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    labels = model.config.id2label
    sentences = texts.to_send(Path(source))

    def call(text: str) -> dict[str, object]:
        with torch.inference_mode():
            scores = torch.softmax(model(**tokenizer(text, return_tensors="pt")).logits[0], -1)
        best = int(scores.argmax())
        return {"label": labels[best], "score": float(scores[best])}

    for line in sys.stdin:
        threads, seconds = line.split()
        torch.set_num_threads(int(threads))
        for text in sentences[:20]:
            call(text)
        times = []
        end = time.perf_counter() + float(seconds)
        while (start := time.perf_counter()) < end:
            call(sentences[len(times) % len(sentences)])
            times.append(time.perf_counter() - start)
        print(statistics.median(times) * 1000, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
