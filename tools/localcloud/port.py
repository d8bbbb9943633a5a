"""The TCP port of the embedded AWS."""

import errno
import socket

HOST = "127.0.0.1"


class PortInUseError(RuntimeError):
    """Another process listens on the port; the text says what to do."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} on {HOST} is already in use, so the embedded AWS cannot start. Perhaps one is already "
            f"running: http://localhost:{port}/_localcloud/status says so. Stop the process that listens there, "
            "or choose another port with --port."
        )


def listen(port: int) -> socket.socket:
    """A socket that listens on the port of this machine only. Raises PortInUseError; other errors go through."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # The port of a server that has just ended is free at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(port) from None
        raise
    return listener
