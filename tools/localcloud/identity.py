"""IAM's requests one at a time: moto goes through its dictionaries while other requests add to them.

AttachRolePolicy looks at every managed policy there is, a thousand of AWS's own among them; with a CreatePolicy
meanwhile it ended with 500, where several stacks were deployed at once. No such request waits for another one.
"""

import threading
from typing import Any

from moto.iam.responses import IamResponse

from localcloud.settings import LocalCloud

_turn = threading.RLock()


def install(cloud: LocalCloud) -> None:
    """Before the first request. cloud is not read."""
    response: Any = IamResponse
    before = response.call_action

    def call_action(self: Any) -> Any:
        with _turn:
            return before(self)

    response.call_action = call_action
