"""Settings that give a secret away: by their name, or by a value that looks like a token."""

import re
from functools import cache

from hf_sagemaker.controls.tokens import token_like

_NAME = re.compile(
    r"(?i)(^|_)(api_?key|access_?key(_id)?|credentials?|passw(or)?d|private_?key|secret|token)s?(_|$)",
)
# MAX_BATCH_TOKENS and the like: a number of what a tokenizer makes.
_NUMBER_OF_TOKENS = re.compile(r"(?i)(^|_)tokens$")
_PASSWORD_IN_ADDRESS = re.compile(r"://[^/\s:@$]+:[^/\s:@$]{3,}@")
_REFERENCE = re.compile(r"\$\{[^}]*\}")


@cache  # templates say the same words many times
def holds_secret(text: str) -> bool:
    """Whether a text holds what looks like a token, or an address with a password."""
    plain = _REFERENCE.sub(" ", text)
    return any(token_like(plain)) or _PASSWORD_IN_ADDRESS.search(plain) is not None


def is_secret_setting(name: str, value: object) -> bool:
    """Whether a variable with that name and value is a secret in plain sight.

    What says where a secret lies (an ARN, a reference to a resource, a parameter's path) is none, whatever its name.
    """
    text = str(value)
    points_elsewhere = text.startswith(("arn:", "${", "/")) or not text
    counts = text.isdigit() and _NUMBER_OF_TOKENS.search(name) is not None
    return holds_secret(text) or (_NAME.search(name) is not None and not points_elsewhere and not counts)
