"""What the jobs of the tests of a workflow's steps do: a program for every kind of job."""

PROGRAM = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
mode = (base / "input/data/train/mode.txt").read_text().strip()
given = json.loads((base / "input/config/hyperparameters.json").read_text())
rate = float(json.loads(given.get("rate", "0.5")))
if mode == "silent":
    sys.exit(0)
if mode == "fail":
    (base / "output/failure").write_text("ValueError: the column is missing")
    sys.exit(1)
print(f"accuracy={rate}", flush=True)
(base / "model/rate.txt").write_text(str(rate))
"""
