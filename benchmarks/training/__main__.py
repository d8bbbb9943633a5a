"""What the workflow costs against the toolkit alone: `make benchmark`.

The same small job runs bare, as one process in the stand-in of the training image, and through the deployed state
machine on the embedded AWS, alternately; the fastest of each counts. Prints seconds, their difference, and how many
transitions. Needs HFSM_TRAINING_PYTHON, the Python of the built training image.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / folder) for folder in ("constructs", "lambda", "tools"))]

from tests.local.embedded_aws import start_localcloud  # noqa: E402 (found by the line above)
from tests.local.test_end_to_end import Environment  # noqa: E402
from tests.runtime.conftest import RUNTIME, OptMl  # noqa: E402

MACHINE = "/hf-sagemaker/dev/training/text-classification/state-machine-arn"
BUCKET = "/hf-sagemaker/dev/data/data-bucket"
HYPERPARAMETERS = {"epochs": 2, "save_steps": 20, "logging_steps": 5, "train_batch_size": 32}
_LOOK_EVERY = 0.1


def bare(folder: Path, data: dict[str, Path]) -> float:
    """Wall-clock seconds of the toolkit with the training code, from start to end."""
    tree = OptMl(folder)
    for name in ("input/config", "output", "model", "checkpoints"):
        (folder / name).mkdir(parents=True)
    for channel, file in data.items():
        (folder / "input/data" / channel).mkdir(parents=True)
        (folder / "input/data" / channel / file.name).write_bytes(file.read_bytes())
    tree.configure(HYPERPARAMETERS)
    python = Path(os.environ["HFSM_TRAINING_PYTHON"])
    start = time.perf_counter()
    command = [str(python), str(RUNTIME / "training/entrypoint.py"), "train"]
    done = subprocess.run(command, env=tree.environment(python), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The bare job failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - start


def through(environment: Environment, data: dict[str, Path], name: str) -> tuple[float, int, float]:
    """(Wall-clock seconds of an execution, its transitions, the job's own seconds)."""
    client = environment.running.client
    machine, bucket = (client("ssm").get_parameter(Name=name)["Parameter"]["Value"] for name in (MACHINE, BUCKET))
    for channel, file in data.items():
        client("s3").upload_file(str(file), bucket, f"benchmark/{channel}/{file.name}")
    request = {
        "schema_version": "1",
        "job_type": "text-classification",
        "name": "benchmark",
        "channels": {channel: f"s3://{bucket}/benchmark/{channel}/" for channel in data},
        "hyperparameters": HYPERPARAMETERS,
        "evaluation": {"metric": "eval_accuracy", "minimum": 0.0},
    }
    start = time.perf_counter()
    states = client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(request))["executionArn"]
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(_LOOK_EVERY)
    seconds = time.perf_counter() - start
    if execution["status"] != "SUCCEEDED":
        raise SystemExit(f"The execution {execution['status'].lower()}: {execution.get('error')} {execution['cause']}")
    pages = states.get_paginator("get_execution_history").paginate(executionArn=arn)
    entered = sum("stateEnteredEventDetails" in event for page in pages for event in page["events"])
    output: dict[str, Any] = json.loads(execution["output"])
    return seconds, entered, float(output["training"]["training_seconds"])


def main() -> int:
    """Exit code 1 when the machine needs more than 12 transitions."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=2, help="of each (default 2)")
    arguments.add_argument("--json", type=Path, help="writes the numbers there, too")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store = os.environ.get("HFSM_IMAGE_STORE", str(ROOT / ".localcloud/images"))
        running = start_localcloud(folder / "cloud", arguments=("--image-store", store))
        try:
            report = measured(Environment(running, folder), folder, options.runs)
        finally:
            running.stop()
    print(
        f"bare {report['bare_seconds']:.1f} s, through the state machine {report['workflow_seconds']:.1f} s: overhead "
        f"{report['overhead_seconds']:.1f} s, of which {report['job_seconds'] - report['bare_seconds']:.1f} s in the "
        f"job; {report['transitions']} transitions (limit 12)"
    )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"schema_version": "1", **report}, indent=2) + "\n")
    return 0 if report["transitions"] <= 12 else 1


def measured(environment: Environment, folder: Path, runs: int) -> dict[str, float]:
    """Deploys dev and builds its images first, which is not counted."""
    for done in (
        environment.cdk("bootstrap", "--app", "", "aws://123456789012/us-east-1"),
        environment.deploy(),
        environment.hfsm("build", "--env", "dev"),
    ):
        if done.returncode:
            raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    environment.request("benchmark")
    data = {channel: folder / f"data/{channel}.jsonl" for channel in ("train", "test")}
    pairs = [
        (bare(folder / f"bare-{number}", data), through(environment, data, f"benchmark-{number}"))
        for number in range(runs)
    ]
    alone = min(seconds for seconds, _ in pairs)
    seconds, transitions, job = min(workflow for _, workflow in pairs)
    return {
        "bare_seconds": round(alone, 2),
        "workflow_seconds": round(seconds, 2),
        "job_seconds": round(job, 2),
        "overhead_seconds": round(seconds - alone, 2),
        "transitions": transitions,
    }


if __name__ == "__main__":
    sys.exit(main())
