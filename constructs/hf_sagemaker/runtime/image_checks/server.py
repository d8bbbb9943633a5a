"""Asks the Python of an image whether a model server's package is there, and whether transformers loads.

    python /image_checks/server.py PACKAGE TRANSFORMERS

PACKAGE: of the server, as it is imported, or empty. It is looked up and not imported: some ask for their device then.
TRANSFORMERS: the version that is pinned, or empty.
"""

import sys
from importlib.util import find_spec

from transformers_version import check_transformers


def main(package: str, transformers: str) -> None:
    if package:
        if find_spec(package) is None:
            raise SystemExit(f"the server's package {package} is not there any more")
        print(f"{package} is there", flush=True)
    check_transformers(transformers)


if __name__ == "__main__":
    main(*sys.argv[1:])
