"""Prints metrics: what metric_definitions find in the log goes to CloudWatch, to the gate and to the registry."""

import json
import os
from pathlib import Path


def main() -> None:
    lines = Path(os.environ["SM_CHANNEL_TEST"], "test.jsonl").read_text().splitlines()
    labels = [json.loads(line)["label"] for line in lines]
    for epoch in range(3):
        # In one piece: the parts of print("loss", loss) may become lines of their own.
        print(f"epoch={epoch} loss={1 / (epoch + 1):.4f}", flush=True)
    # A model that always says yes.
    precision = sum(labels) / len(labels)
    print(f"f1={2 * precision / (precision + 1):.4f}", flush=True)
    Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps({"answer": 1}))


if __name__ == "__main__":
    main()
