"""Clients of this embedded AWS itself. One of a kind is made once: it takes a tenth of a second of a core."""

import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from localcloud.accounts import credentials

MOST_CONNECTIONS = 50
"""That a client keeps: executions call side by side."""
# One session, since what it has read about a service's API it keeps; it makes one client at a time.
_session = boto3.Session()
_making = threading.Lock()


def client(endpoint_url: str, account: str, region: str, service: str, config: Config) -> Any:
    """A client that calls as that account; any number of threads may use it.

    config: the same object always means the same client.
    """
    with _making:
        return _made(endpoint_url, account, region, service, config)


@cache
def _made(endpoint_url: str, account: str, region: str, service: str, config: Config) -> Any:
    own = credentials(account)
    session: Any = _session  # Any: its type knows literal names only
    return session.client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
        config=config,
    )
