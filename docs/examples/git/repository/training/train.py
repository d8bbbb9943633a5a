"""Stands for a repository's training code."""

import argparse
import os
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--message", required=True)
    arguments = parser.parse_args()
    Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(arguments.message)
    print(f"code of Git says {arguments.message}", flush=True)
    print("eval_accuracy=1.0", flush=True)


if __name__ == "__main__":
    main()
