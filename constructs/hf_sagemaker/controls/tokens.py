"""What an access token looks like: by its form where it has one, else by how random it is."""

import math
import re
from collections import Counter

# Form → what to call it: never the token itself, since reports are read by many.
_FORMS = {
    r"\bhf_[A-Za-z0-9]{30,}\b": "a Hugging Face token",
    r"\bapi_org_[A-Za-z0-9]{30,}\b": "a Hugging Face organisation token",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b": "an AWS access key",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}\b": "a GitHub token",
    r"\bgithub_pat_[A-Za-z0-9_]{40,}\b": "a GitHub token",
    r"\bglpat-[A-Za-z0-9_-]{20,}\b": "a GitLab token",
    r"\bxox[abposr]-[A-Za-z0-9-]{10,}\b": "a Slack token",
    r"\bsk-[A-Za-z0-9_-]{20,}\b": "an API key",
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.": "a JSON Web Token",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----": "a private key",
    r"://[^/\s:@$]+:[^/\s:@$]{3,}@": "a password in an address",
}
_SECRET_NAME = re.compile(
    r"(?i)(^|_)(api_?key|access_?key(_id)?|credentials?|passw(or)?d|private_?key|secret|token)(_|$)"
)
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_WORD = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_RANDOM = 4.2
"""Bits per character. A hash in hexadecimal has at most 4; names of things have less, random base64 of 32 has 4.5."""


def token(text: str) -> str:
    """What token the text holds; empty when none of a known form."""
    return next((name for form, name in _FORMS.items() if re.search(form, text)), "")


def looks_random(text: str) -> bool:
    """Whether a word of the text is too random for a name: 20 characters or more, of both cases, with digits."""
    words = _WORD.findall(_REFERENCE.sub(" ", text))
    return any(
        all(re.search(kind, word) for kind in ("[a-z]", "[A-Z]", "[0-9]")) and _entropy(word) > _RANDOM
        for word in words
    )


def _entropy(word: str) -> float:
    """Shannon's, in bits per character."""
    counts = Counter(word).values()
    return -sum(count / len(word) * math.log2(count / len(word)) for count in counts)


def is_secret_setting(name: str, value: object) -> bool:
    """Whether a variable with that name and value is a secret in plain sight.

    What says where a secret lies (an ARN, a reference to a resource, a parameter's path) is none, whatever its name.
    """
    text = str(value)
    if token(text) or looks_random(text):
        return True
    points = text.startswith(("arn:", "${", "/")) or not text
    return _SECRET_NAME.search(name) is not None and not points
