"""The training loop under SIGKILL. `make benchmark` does it twenty times."""

import json
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks/resume/killed_training.py"


def test_a_killed_training_loses_at_most_one_save_interval(
    runtime, training_python, run_python, tmp_path: Path
) -> None:
    # When it is killed at random moments, once with its newest checkpoint cut off
    done = run_python(training_python, str(PROGRAM), str(runtime / "training"), str(tmp_path), "4")

    # Then each time it went on from a whole checkpoint, and learned what it would have learned anyway
    assert done.returncode == 0, done.stdout
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["survived"] == result["kills"] == 4
    assert result["same_losses"]
    assert result["most_steps_lost"] <= 10
