"""Training that survives the loss of its instance: it keeps checkpoints, and begins with the newest."""

import argparse
import json
import os
from pathlib import Path

# The variable is the training toolkit's own; in SageMaker it is not set.
CHECKPOINTS = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--save_steps", type=int, default=5)
    arguments = parser.parse_args()
    state = newest()
    print(f"begins at step={state['step']}", flush=True)
    while state["step"] < arguments.steps:
        state = {"step": state["step"] + 1, "weight": state["weight"] * 0.9}
        if state["step"] % arguments.save_steps == 0:
            save(state)
    Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(state))
    print(f"eval_accuracy={1 - state['weight']:.4f}", flush=True)


def newest() -> dict:
    """The newest checkpoint; without any, the beginning."""
    saved = sorted(CHECKPOINTS.glob("step-*.json"))
    return json.loads(saved[-1].read_text()) if saved else {"step": 0, "weight": 1.0}


def save(state: dict) -> None:
    """Under its name only when it is whole: SageMaker copies the folder while it is being written."""
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    unfinished = CHECKPOINTS / "unfinished"
    unfinished.write_text(json.dumps(state))
    unfinished.rename(CHECKPOINTS / f"step-{state['step']:06}.json")


if __name__ == "__main__":
    main()
