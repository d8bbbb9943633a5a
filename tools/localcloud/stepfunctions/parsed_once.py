"""Definitions of state machines are parsed once, and not for each execution: a long one takes half a second of a core.

Replaces `AmazonStateLanguageParser.parse` of moto. What it makes of the tree keeps the state of one execution, so that
is made anew each time.
"""

from functools import lru_cache
from typing import Any

from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor

_MOST_DEFINITIONS = 50


def install() -> None:
    parser: Any = AmazonStateLanguageParser
    before = parser.parse

    @lru_cache(_MOST_DEFINITIONS)
    def tree(definition: str) -> Any:
        return before(definition)[1]

    def parse(definition: str) -> tuple[Any, Any]:
        return Preprocessor().visit(tree(definition)), tree(definition)

    parser.parse = staticmethod(parse)
