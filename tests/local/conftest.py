"""The embedded AWS for the tests of this folder: one real server process per session."""

import os
from collections.abc import Iterator

import pytest

from tests.local.embedded_aws import RunningLocalCloud, Stacks, start_localcloud
from tests.local.served_modes import Modes


@pytest.fixture(scope="session")
def localcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLocalCloud]:
    """One server for the session. HFSM_IMAGE_STORE names a folder of built images that outlives it."""
    store = os.environ.get("HFSM_IMAGE_STORE")
    arguments = ("--image-store", store) if store else ()
    running = start_localcloud(tmp_path_factory.mktemp("localcloud"), arguments=arguments)
    yield running
    running.stop()


@pytest.fixture
def stacks(localcloud: RunningLocalCloud) -> Iterator[Stacks]:
    made = Stacks(localcloud)
    yield made
    made.delete_all()


@pytest.fixture(scope="session")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modes]:
    """Endpoints of every kind, on a server of their own whose minute takes two seconds."""
    store = os.environ.get("HFSM_IMAGE_STORE")
    arguments = ("--minute", "2", *(("--image-store", store) if store else ()))
    running = start_localcloud(tmp_path_factory.mktemp("modes"), arguments=arguments)
    yield Modes(running)
    running.stop()
