"""Two synths of the same commit are the same to the byte, and none asks AWS."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

_JSII_FOLDER = re.compile(rb"jsii-kernel-\w+")
ROOT = Path(__file__).parents[2]


def _synthesise(out: Path, hash_seed: str) -> dict[str, str]:
    environment = os.environ | {
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps(
            {**json.loads((ROOT / "cdk.json").read_text())["context"], "compliance": str(out / "evidence")}
        ),
        "CDK_VALIDATION": "false",
        "PYTHONHASHSEED": hash_seed,
        # No credentials and no region: an AWS call could only fail.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_CONFIG_FILE": "/dev/null",
    }
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # The report names the folder of this very run; stack traces, for people only, that of the jsii runtime.
    return {
        str(file.relative_to(out)): hashlib.sha256(_JSII_FOLDER.sub(b"", file.read_bytes())).hexdigest()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name != "validation-report.json"
    }


def test_two_synths_are_identical(tmp_path: Path) -> None:
    # When the app is synthesised twice, in processes that order sets differently
    first = _synthesise(tmp_path / "first", "1")
    second = _synthesise(tmp_path / "second", "2")
    # Then every template, manifest, asset and evidence is the same
    assert first == second
    assert any(name.endswith(".template.json") for name in first)
    assert "evidence/prod.json" in first
