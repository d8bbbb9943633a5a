"""`CustomerMetadataProperties` of a model package, inside SageMaker's limits.

Limits: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html
"""

import re

MOST, LONGEST_KEY, LONGEST_VALUE = 50, 128, 256
# Letters, digits, separators and _ . : / = + - @: SageMaker refuses the whole package for one other character.
_OTHERS = re.compile(r"[^\w .:/=+\-@]")
SHORTENED, LEFT_OUT = "shortened", "left-out"


def properties(origins: dict[str, str], metrics: dict[str, float]) -> dict[str, str]:
    """The origins, then the metrics by name, as many as there may be.

    What does not fit is cut at its end, and `shortened` names it; a metric for which there is no room is left out, and
    `left-out` names it. Both are the same for the same input. A metric never takes the place of an origin.
    """
    texts = {_key(name): _text(value) for name, value in origins.items()}
    cut = [name for name, value in texts.items() if len(value) > LONGEST_VALUE]
    names = [name for name in sorted(metrics) if _key(name) not in texts]
    # Two places are kept for what says that something is missing.
    room = MOST - len(texts) - 2
    texts |= {_key(name): _text(str(metrics[name])) for name in names[: max(room, 0)]}
    if cut:
        texts[SHORTENED] = " ".join(cut)
    if left := names[max(room, 0) :]:
        texts[LEFT_OUT] = _text(f"{len(left)} metrics: {' '.join(left)}")
    return {name: value[:LONGEST_VALUE] for name, value in texts.items() if value.strip()}


def _key(name: str) -> str:
    return _text(name)[:LONGEST_KEY]


def _text(value: str) -> str:
    return _OTHERS.sub("_", value)
