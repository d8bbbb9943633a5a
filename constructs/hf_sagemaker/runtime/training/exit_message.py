"""What a processing job says when it fails: its description shows it, so that nobody has to look for the log."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

_LONGEST = 1000  # characters; SageMaker cuts what is longer than 1024


def write(base: Path, text: str) -> None:
    """Writes the message. Of a text that is too long the end stays: there a traceback names the error."""
    file = base / "output/message"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text if len(text) <= _LONGEST else f"…{text[-_LONGEST:]}")


def run(main: Callable[[Path], None], *told: type[BaseException]) -> int:
    """Calls main with /opt/ml; the exit code. What it raises becomes the message.

    told: errors whose own words are enough, without a traceback in the log.
    """
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
    try:
        main(base)
    except told as error:
        write(base, str(error))
        print(error, file=sys.stderr, flush=True)
        return 1
    except Exception as error:
        traceback.print_exc()
        write(base, f"{type(error).__name__}: {error}")
        return 1
    return 0
