"""Notes what the serving container does to files and to the network. The tests start its Pythons with this as
`sitecustomize`; each line of the file that HFSM_TEST_GUARD names is one thing that it should not have done.
"""

import os
import sys
from typing import Any

_SCRATCH = os.path.realpath(os.environ["HFSM_TEST_SCRATCH"])
_NOTES = os.open(os.environ["HFSM_TEST_GUARD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod"}
# Not on a disk.
_DEVICES = ("/dev/", "/proc/")


def _note(what: str) -> None:
    os.write(_NOTES, f"{what}\n".encode())


def _is_outside(path: Any) -> bool:
    if isinstance(path, int):
        return False  # a file that is open already
    whole = os.path.realpath(os.fsdecode(path))
    return not whole.startswith((_SCRATCH, *_DEVICES))


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if isinstance(flags, int) and flags & _WRITES and path is not None and _is_outside(path):
            _note(f"wrote {path}")
    elif event in _CHANGES and _is_outside(arguments[0]):
        _note(f"{event} {arguments[0]}")
    elif event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            _note(f"connected to {address}")
    elif event == "socket.getaddrinfo" and arguments[0] not in (None, "127.0.0.1", "0.0.0.0", "localhost", "::1"):
        _note(f"looked up {arguments[0]}")


sys.addaudithook(_guard)
_note("started")
