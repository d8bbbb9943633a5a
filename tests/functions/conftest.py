"""CloudFormation that waits, for the functions of custom resources."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functions.waiting_stack import waiting_stack


@pytest.fixture
def waiting() -> Iterator[Any]:
    """A server with the `answers` that it got as (body, content type); `status` is what it says to them."""
    with waiting_stack() as server:
        yield server
