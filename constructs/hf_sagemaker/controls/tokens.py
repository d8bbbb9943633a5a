"""Values that look like credentials, wherever they stand."""

import re
from collections.abc import Iterator

_FORMS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}"  # Hugging Face
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{30,}|glpat-[\w-]{20,}"  # GitHub, GitLab
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,}"  # Slack, OpenAI
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"  # a JSON web token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r")"
)
_WORD = re.compile(r"[A-Za-z0-9+/]{32,}={0,2}")
_READABLE = re.compile(r"[0-9A-F]{8}|[A-Z]?[a-z]{3,}")
"""What logical ids are made of: words, and hashes of eight digits."""
_RANDOM_SHARE = 0.4


def token_like(text: str) -> Iterator[str]:
    """What looks like a token, a key or a password of a machine.

    Hashes in hexadecimal, paths, and CloudFormation's logical ids do not.
    """
    for found in _FORMS.finditer(text):
        yield found.group()
    for found in _WORD.finditer(_FORMS.sub(" ", text)):
        if _is_random(found.group()):
            yield found.group()


def _is_random(word: str) -> bool:
    """Whether much of it is neither words nor a logical id's hash, and it mixes letters and digits."""
    mixed = all(re.search(kind, word) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return mixed and len(_READABLE.sub("", word)) >= _RANDOM_SHARE * len(word)
