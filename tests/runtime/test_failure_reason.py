from pathlib import Path

import pytest

TOOLKIT = "2026-01-01 00:00:00,000 sagemaker-training-toolkit"
BEFORE = [
    "SM_USER_ARGS=[]",
    "Invoking script with the following command:",
    "",
    "/usr/bin/python -- train.py --epochs 3",
    f"{TOOLKIT} INFO     Exceptions not imported for SageMaker Debugger as it is not installed.",
]
AFTER = [
    f"{TOOLKIT} ERROR    Reporting training FAILURE",
    f"{TOOLKIT} ERROR    ExecuteUserScriptError:",
    "ExitCode 1",
    'ErrorMessage ""',
]
RAISED = [
    "hfsm.step step=10 loss=0.5",
    "Traceback (most recent call last):",
    '  File "train.py", line 3, in <module>',
    "    main()",
    "ValueError: the learning rate is a word",
    "it must be a number",
]


@pytest.fixture(scope="module")
def failure_reason(module):
    return module("training/failure_reason.py")


def test_the_exception_comes_first_whole_and_then_the_lines_before_it(failure_reason) -> None:
    reason = failure_reason.reason([*BEFORE, *RAISED, *AFTER], 1)

    assert reason.startswith("ValueError: the learning rate is a word\nit must be a number\n\nThe lines before it:\n")
    assert "hfsm.step step=10 loss=0.5" in reason
    assert "SM_USER_ARGS" not in reason and "ErrorMessage" not in reason and "train.py --epochs" not in reason


def test_of_chained_exceptions_the_last_one_counts(failure_reason) -> None:
    chained = [*RAISED, "", "During handling of the above exception, another exception occurred:", ""]
    last = ["Traceback (most recent call last):", '  File "a.py", line 1', "OSError: disk full"]

    assert failure_reason.reason([*chained, *last], 1).startswith("OSError: disk full\n")


def test_without_an_exception_the_last_lines_are_the_reason(failure_reason) -> None:
    reason = failure_reason.reason([*BEFORE, "no data in s3", *AFTER], 1)

    assert reason == "The script ended with exit code 1. Its last lines:\nno data in s3"


def test_a_kill_is_told_as_what_it_mostly_is(failure_reason) -> None:
    lines = [*BEFORE, "loading", f"{TOOLKIT} ERROR    Reporting training FAILURE", "ExitCode -9"]

    assert failure_reason.reason(lines, 1).startswith(
        "The script was ended by SIGKILL, most often because memory ran out."
    )


def test_it_is_never_longer_than_sagemaker_shows(failure_reason) -> None:
    for lines in ([*RAISED, "x" * 5000], ["y" * 5000], [*(f"line {n}" for n in range(900)), *RAISED]):
        reason = failure_reason.reason(lines, 1)
        assert len(reason) <= 1024
        assert len(reason) > 900


@pytest.mark.parametrize(
    "present", [None, "", 'ExecuteUserScriptError:\nExitCode 1\nErrorMessage ""', "Framework Error: x"]
)
def test_the_toolkits_own_message_is_replaced(failure_reason, tmp_path: Path, present: str | None) -> None:
    path = tmp_path / "output/failure"
    if present is not None:
        path.parent.mkdir()
        path.write_text(present)

    failure_reason.write(path, [*BEFORE, *RAISED, *AFTER], 1)

    assert path.read_text().startswith("ValueError: the learning rate is a word")


def test_what_the_script_wrote_itself_stays(failure_reason, tmp_path: Path) -> None:
    (tmp_path / "failure").write_text("the data has no labels")

    failure_reason.write(tmp_path / "failure", RAISED, 1)

    assert (tmp_path / "failure").read_text() == "the data has no labels"


TORCHRUN_BEFORE = ["hfsm.process rank=0 processes=2"]
RANKS = [
    "[rank1]: Traceback (most recent call last):",
    '[rank1]:   File "train.py", line 6, in <module>',
    '[rank1]:     raise ValueError("row 17 has no label")',
    "[rank1]: ValueError: row 17 has no label",
    "[rank0]: Traceback (most recent call last):",
    '[rank0]:   File "train.py", line 9, in <module>',
    "[rank0]: RuntimeError: [pair.cc:553] Connection closed by peer [127.0.0.1]:19601.",
]
AGENT = "E1121 13:38:55.953000 1632 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 1)"


def _torchrun(rank: int, exit_code: int) -> list[str]:
    return [
        AGENT,
        "Traceback (most recent call last):",
        '  File "bin/torchrun", line 8, in <module>',
        "    sys.exit(main())",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
        "Root Cause (first observed failure):",
        "[0]:",
        "  time      : 2026-11-21_13:38:55",
        "  host      : algo-1",
        f"  rank      : {rank} (local_rank: {rank})",
        f"  exitcode  : {exit_code} (pid: 1691)",
        "  error_file: <N/A>",
    ]


def test_of_several_processes_the_first_to_fail_says_why(failure_reason) -> None:
    reason = failure_reason.reason([*BEFORE, *TORCHRUN_BEFORE, *RANKS, *_torchrun(1, 1), *AFTER], 1)

    assert reason.startswith("ValueError: row 17 has no label\n\nThe lines before it:\nhfsm.process")
    assert "peer" not in reason and "torchrun" not in reason and "ChildFailedError" not in reason


def test_a_process_that_was_killed_is_named(failure_reason) -> None:
    reason = failure_reason.reason([*BEFORE, *TORCHRUN_BEFORE, *_torchrun(1, -9), *AFTER], 1)

    assert reason.startswith("Process 1 of the script was ended by SIGKILL, most often because memory ran out.")


def test_an_instance_that_only_lost_the_others_says_so(failure_reason, tmp_path: Path) -> None:
    path = tmp_path / "output/failure"

    reason = failure_reason.write(path, [*BEFORE, *RANKS, *_torchrun(0, 1), *AFTER], 1)

    assert failure_reason.is_loss_of_peers(reason)
    assert path.read_text().endswith("A process on another instance ended before this one; its log stream says why.")
