"""Prints which Python distributions an image holds, as CycloneDX JSON: its bill of materials."""

import json
import re
from importlib.metadata import distributions


def main() -> None:
    found = {(_normal(each.metadata["Name"]), each.version) for each in distributions() if each.metadata["Name"]}
    components = [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in sorted(found)
    ]
    print(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
