"""Processes and ports of this machine: who lives, who listens, how to end what an embedded AWS has started."""

import os
import socket
import time
from pathlib import Path

import psutil

from hfsm.errors import OperatorError


def kill(processes: list[psutil.Process]) -> None:
    """End processes by SIGKILL and wait until they are gone."""
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, timeout=5)


def leftovers(state_dir: Path) -> list[psutil.Process]:
    """Processes that an embedded AWS with this state folder started, or that are it.

    Those of containers are known by an environment variable that points into the container's folder. A shell
    that merely stands in there is not one of them.
    """
    containers = str(state_dir / "containers") + "/"
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            command = process.cmdline()
            of_container = any(
                containers in value for name, value in process.environ().items() if name not in ("PWD", "OLDPWD", "_")
            )
        except psutil.Error:
            continue
        if of_container or ("localcloud" in command and str(state_dir) in command):
            found.append(process)
    return found


def check_port(port: int) -> None:
    """Raise OperatorError where something listens at 127.0.0.1:port, naming it where the machine tells."""
    with socket.socket() as probe:
        # As servers do: a port whose last connection is still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise OperatorError(
                f"Port {port} of this machine cannot be used{_owner(port)}: {error.strerror}. Stop that, or choose "
                "another port: `hfsm local up --port PORT`. Nothing was started."
            ) from None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def is_localcloud(pid: int) -> bool:
    """Numbers of processes are used again: another program may have got the one that is on record."""
    try:
        return "localcloud" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def wait_gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not alive(pid):
            return True
        time.sleep(0.1)
    return False


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"; process {connection.pid} ({psutil.Process(connection.pid).name()}) listens there"
    except psutil.Error:
        pass
    return ""
