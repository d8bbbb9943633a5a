"""Kills the training script again and again, and says how many steps that has cost.

    TRAINING_PYTHON killed_training.py CODE FOLDER KILLS

TRAINING_PYTHON: the interpreter of the training image. CODE: runtime/training. FOLDER: an empty one. Every attempt is a
process of its own, killed by SIGKILL at a random moment, also while it saves; every third time the newest checkpoint is
cut off, too. Prints one JSON object: kills, survived (resumed with at most one save interval lost; two where the newest
checkpoint was cut off), most_steps_lost, and whether all losses are those of an uninterrupted run.

The libraries are loaded once, and each attempt is a fork: it is the loop that is looked at, not the start of Python.
"""

import json
import os
import random
import re
import signal
import sys
import time
from pathlib import Path

SAVE_STEPS = 5
STEPS = 100
SECONDS = 60.0  # for one attempt to get where it is killed
_STEP = re.compile(r"^hfsm\.step step=(\d+) loss=(\S+)$", re.MULTILINE)
_START = re.compile(r"^hfsm\.start resumed_from_step=(\d+) ", re.MULTILINE)


def main(code: str, folder: str, kills: str) -> None:
    sys.path.insert(0, code)
    import fine_tuning  # noqa: F401 (seconds, before anything is forked)

    chance = random.Random(7)
    base = Path(folder)
    reference = Attempt(base / "reference", base / "reference.log")
    os.waitpid(reference.pid, 0)
    expected = reference.losses()
    lost: list[int] = []
    survived = 0
    same = len(expected) == STEPS
    reached, cut = 0, False
    checkpoints = base / "checkpoints-0"
    for number in range(int(kills) + 1):
        attempt = Attempt(checkpoints, base / f"{number}.log")
        last = number == int(kills)
        if last:
            os.waitpid(attempt.pid, 0)
        else:
            attempt.kill(after=chance.randint(1, 3 * SAVE_STEPS), pause=chance.uniform(0, 0.05))
        losses = attempt.losses()
        same = same and losses.items() <= expected.items()
        if number:
            lost.append(max(0, reached - attempt.start()))
            survived += lost[-1] <= SAVE_STEPS * (2 if cut else 1)
        reached, cut = max(losses, default=attempt.start()), False
        if reached >= STEPS - 3 * SAVE_STEPS:  # once more from the beginning
            checkpoints, reached = base / f"checkpoints-{number + 1}", 0
        elif number % 3 == 2:
            cut = cut_off_newest(checkpoints)
    print(json.dumps({"kills": int(kills), "survived": survived, "most_steps_lost": max(lost), "same_losses": same}))


class Attempt:
    """One process that trains, until its end or its kill."""

    def __init__(self, checkpoints: Path, log: Path) -> None:
        self._log = log
        log.touch()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _train(checkpoints, log)
            finally:
                os._exit(1)

    def kill(self, after: int, pause: float) -> None:
        """after: steps that it may do, or fewer where it ends before. pause: seconds from then on."""
        deadline = time.monotonic() + SECONDS
        while len(self.losses()) < after and time.monotonic() < deadline:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
            time.sleep(0.002)
        time.sleep(pause)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def losses(self) -> dict[int, str]:
        return {int(step): loss for step, loss in _STEP.findall(self._log.read_text())}

    def start(self) -> int:
        found = _START.findall(self._log.read_text())
        return int(found[0]) if found else 0


def cut_off_newest(checkpoints: Path) -> bool:
    """Leaves half of the newest checkpoint's weights. Whether there was one."""
    found = sorted(checkpoints.glob("checkpoint-*/model.safetensors"), key=lambda path: int(path.parent.name[11:]))
    if not found:
        return False
    os.truncate(found[-1], found[-1].stat().st_size // 2)
    return True


def _train(checkpoints: Path, log: Path) -> None:
    with log.open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    import torch
    from data import Dataset, Example
    from fine_tuning import FineTuning
    from hyperparameters import Hyperparameters
    from interruption import Interruption

    torch.set_num_threads(1)
    examples = [Example(f"The film of day {n % 17} is {('dull', 'a joy')[n % 2]}.", n % 2) for n in range(40)]
    parameters = Hyperparameters(
        max_steps=STEPS,
        save_steps=SAVE_STEPS,
        save_total_limit=3,
        logging_steps=1,
        train_batch_size=4,
        hidden_size=8,
        layers=1,
        heads=2,
        vocab_size=300,
    )
    checkpoints.mkdir(exist_ok=True)
    FineTuning(
        dataset=Dataset(train=examples, test=examples[:8], label_count=2),
        parameters=parameters,
        start_from=None,
        model_dir=checkpoints.parent / "model",
        checkpoints=checkpoints,
        interruption=Interruption(),
    ).run()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
