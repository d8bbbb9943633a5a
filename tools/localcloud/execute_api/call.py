"""A request to an API of API Gateway, and its answer."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A request. headers: their names in small letters. found: values of the path's parts in braces."""

    headers: dict[str, str]
    query: dict[str, str]
    body: bytes
    found: dict[str, str]

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "application/json").partition(";")[0].strip()

    def value(self, expression: str) -> str | None:
        """Of a parameter mapping: `method.request.header.Accept`, or a text in single quotes."""
        if expression.startswith("'"):
            return expression.strip("'")
        _, _, place, name = expression.split(".", 3)
        values = {"header": self.headers, "querystring": self.query, "path": self.found}[place]
        return values.get(name.lower() if place == "header" else name)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


def refusal(status: int, message: str) -> Answer:
    """As API Gateway words it."""
    return Answer(status, json.dumps({"message": message}).encode(), {"content-type": "application/json"})
