"""The entry point, the real sagemaker-training toolkit and scripts that fail, in the training image's environment."""

import tarfile
from pathlib import Path


def test_the_message_of_a_script_that_raises_is_the_failure(
    runtime, training_python, opt_ml, run_python, tmp_path: Path
) -> None:
    # Given a job that brings a script of its own
    (tmp_path / "own.py").write_text("print('step 1')\nraise ValueError('the label column has a hole in row 17')\n")
    archive = tmp_path / "sourcedir.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "own.py", "own.py")
    tree = opt_ml()
    tree.configure({"sagemaker_submit_directory": str(archive), "sagemaker_program": "own.py", "epochs": 1})

    # When it runs
    entrypoint = str(runtime / "training/entrypoint.py")
    done = run_python(training_python, entrypoint, "train", env=tree.environment(training_python))

    # Then the job fails with the script's words
    assert done.returncode == 1
    assert "own.py --epochs 1" in done.stdout
    assert tree.failure.startswith("ValueError: the label column has a hole in row 17\n")
    assert "step 1" in tree.failure


def test_a_broken_data_line_is_the_failure_of_the_images_own_script(
    runtime, training_python, opt_ml, run_python
) -> None:
    # Given a job without code of its own, and data with one broken line
    tree = opt_ml()
    path = tree.base / "input/data/train/train.jsonl"
    lines = path.read_text().splitlines()
    lines[41] = lines[41][:-3]
    path.write_text("\n".join(lines))
    tree.configure({"epochs": 1})

    # When it runs
    entrypoint = str(runtime / "training/entrypoint.py")
    done = run_python(training_python, entrypoint, "train", env=tree.environment(training_python))

    # Then line and file are named
    assert done.returncode == 1
    assert tree.failure.startswith("data.DataError: train/train.jsonl, line 42: not JSON")
    assert 'expected one object per line, like {"text": "a sentence", "label": 0}' in tree.failure
