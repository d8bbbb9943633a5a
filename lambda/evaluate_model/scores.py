"""What a job that let the model answer on data says of it."""

import json


class ScoresUnreadable(ValueError):  # noqa: N818 (the name is what people see in the console)
    """The evaluating job ended well, and what it said is no JSON object of numbers."""


def read_scores(message: str) -> dict[str, float]:
    """Metric → value. message: the job's exit message, at most 1024 characters.

    Raises ScoresUnreadable.
    """
    try:
        found = json.loads(message)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(type(value) in (int, float) for value in found.values()):
        raise ScoresUnreadable(
            f"the evaluating job said {message[:200]!r}, which is no JSON object of metric → number. Build the "
            "training image again (hfsm build), and start again."
        )
    return {str(name): float(value) for name, value in found.items()}
