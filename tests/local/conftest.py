"""The embedded AWS for the tests of this folder: one real server process per session."""

import os
from collections.abc import Iterator

import pytest

from tests.local.embedded_aws import RunningLocalCloud, Stacks, start_localcloud
from tests.local.served_modes import Modes


@pytest.fixture(scope="session")
def localcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLocalCloud]:
    """One server for the session. HFSM_IMAGE_STORE names a folder of built images that outlives it."""
    running = start_localcloud(tmp_path_factory.mktemp("localcloud"), arguments=_image_store())
    yield running
    running.stop()


@pytest.fixture(scope="session")
def quick_localcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLocalCloud]:
    """One server for the session whose minute of waiting is a second long."""
    running = start_localcloud(
        tmp_path_factory.mktemp("quick-localcloud"), arguments=("--minute", "1", *_image_store())
    )
    yield running
    running.stop()


def _image_store() -> tuple[str, ...]:
    store = os.environ.get("HFSM_IMAGE_STORE")
    return ("--image-store", store) if store else ()


@pytest.fixture
def stacks(localcloud: RunningLocalCloud) -> Iterator[Stacks]:
    made = Stacks(localcloud)
    yield made
    made.delete_all()


@pytest.fixture(scope="session")
def modes(quick_localcloud: RunningLocalCloud) -> Modes:
    """Endpoints of every kind, and the image of their models."""
    return Modes(quick_localcloud)
