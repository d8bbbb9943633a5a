"""Asks a new training image, before it is pushed, whether what it trains with loads.

    docker run IMAGE python /image_checks/training.py CODE TRANSFORMERS

CODE: the folder of its entry point and its training code. TRANSFORMERS: the version that is pinned, or empty. The
image's own entry point starts it, and so shows that it works as the first process.
"""

import importlib
import sys

from transformers_version import check_transformers

_CODE = ("entrypoint", "text_classification", "start_script")


def main(code: str, transformers: str) -> None:
    check_transformers(transformers)
    sys.path[:0] = [code, f"{code}/launchers"]
    for module in _CODE:
        importlib.import_module(module)
        print(f"{module} loads", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
