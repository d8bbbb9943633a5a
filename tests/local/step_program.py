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

# What stands in for the library's own script: the model is worth what its file says, times what the data says.
SCORE = """
import json, os, pathlib, sys, tarfile
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
with tarfile.open(base / "processing/model/model.tar.gz") as archive:
    rate = float(archive.extractfile("rate.txt").read())
data = json.loads((base / "processing/data/test.json").read_text())
if "refuse" in data:
    (base / "output/message").write_text(data["refuse"])
    sys.exit(1)
scores = {"eval_accuracy": round(rate * data["factor"], 4), "eval_rows": 2}
(base / "processing/evaluation/evaluation.json").write_text(json.dumps(scores))
(base / "output/message").write_text(json.dumps(scores))
"""
# And for the library's preparation: training reads what stands after `raw `.
PREPARE = """
import os, pathlib, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"]) / "processing"
print("prepares", *sys.argv[1:])
raw = (base / "input/train/mode.txt").read_text()
(base / "prepared/train").mkdir(parents=True)
(base / "prepared/train/mode.txt").write_text(raw.removeprefix("raw "))
"""
FILES = {
    "opt/hf_sagemaker/training/prepare_data.py": PREPARE,
    "opt/hf_sagemaker/training/score_model.py": SCORE,
}
