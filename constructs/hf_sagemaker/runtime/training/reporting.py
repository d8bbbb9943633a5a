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


def say_interrupted(checkpoints: Path) -> None:
    """The script ends here, while it is not training, because it was asked to.

    It goes on from `checkpoint_step` when it is started again, as it does when it is interrupted in training.
    """
    newest = newest_intact(checkpoints, report=lambda line: None)
    saved = step_of(newest) if newest else 0
    say("interrupted", step=saved, checkpoint_step=saved)
