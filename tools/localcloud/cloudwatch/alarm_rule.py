"""The rule of a composite alarm: ALARM("x") AND NOT (OK(y) OR INSUFFICIENT_DATA(z)), TRUE and FALSE."""

import re
from collections.abc import Callable

_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([()])|([^\s()"]+))')
_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")

StateOf = Callable[[str], str]


class RuleError(ValueError):
    """The rule cannot be read."""


def holds(rule: str, state_of: StateOf) -> bool:
    """state_of: the state of an alarm by name or ARN. Raises RuleError."""
    return _Parser(rule, state_of).whole()


class _Parser:
    """NOT binds before AND, and AND before OR."""

    def __init__(self, rule: str, state_of: StateOf) -> None:
        self._rule = rule
        self._state_of = state_of
        self._tokens: list[str] = []
        at, text = 0, rule.strip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match:
                raise RuleError(f"cannot read {text[at:]!r} of the rule {rule}")
            self._tokens.append(match[1].replace('\\"', '"') if match[1] is not None else match[2] or match[3])
            at = match.end()

    def whole(self) -> bool:
        value = self._either()
        if self._tokens:
            raise RuleError(f"{self._tokens[0]} is not expected in the rule {self._rule}")
        return value

    def _next(self, *wanted: str) -> bool:
        if self._tokens and self._tokens[0] in wanted:
            del self._tokens[0]
            return True
        return False

    def _take(self) -> str:
        if not self._tokens:
            raise RuleError(f"the rule {self._rule} ends too early")
        return self._tokens.pop(0)

    def _either(self) -> bool:
        value = self._both()
        while self._next("OR"):
            value = self._both() or value
        return value

    def _both(self) -> bool:
        value = self._one()
        while self._next("AND"):
            value = self._one() and value
        return value

    def _one(self) -> bool:
        if self._next("NOT"):
            return not self._one()
        if self._next("("):
            value = self._either()
            self._close()
            return value
        word = self._take()
        if word in ("TRUE", "FALSE"):
            return word == "TRUE"
        if word not in _STATES or not self._next("("):
            raise RuleError(f"{word} is not expected in the rule {self._rule}")
        name = self._take()
        self._close()
        return self._state_of(name) == word

    def _close(self) -> None:
        if not self._next(")"):
            raise RuleError(f"a ) is missing in the rule {self._rule}")
