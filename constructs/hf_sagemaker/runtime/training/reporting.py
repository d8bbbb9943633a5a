"""What the training script says: lines for people, for metric definitions and for whoever follows the job.

Each is `hfsm.<kind> name=value name=value …`.
"""

import sys
from pathlib import Path

from checkpoints import newest_intact, step_of


def say(kind: str, **values: object) -> None:
    """One line, in one piece: the toolkit takes what it reads at one time for whole lines."""
    words = [f"hfsm.{kind}", *(f"{name}={value}" for name, value in values.items())]
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def say_interrupted(checkpoints: Path, step: int | None = None) -> None:
    """The script ends here because it was asked to, and goes on from `checkpoint_step` when it is started again.

    step: steps done; None, where no training was going on, says that of the newest whole checkpoint.
    """
    newest = newest_intact(checkpoints, report=lambda line: None)
    saved = step_of(newest) if newest else 0
    say("interrupted", step=saved if step is None else step, checkpoint_step=saved)
