"""What a container's processes use of this machine, in percent, as SageMaker's host metrics count it."""

import shutil
import time
from weakref import WeakKeyDictionary

import psutil

from localcloud.images.container import Container

_seen: WeakKeyDictionary[Container, tuple[float, float]] = WeakKeyDictionary()  # when, processor seconds until then


def usage(container: Container) -> dict[str, float]:
    """CPUUtilization (100 per processor), MemoryUtilization and DiskUtilization. Empty: it does not run.

    CPUUtilization is of the time since the last call, and therefore not in the first one.
    """
    if container.pid is None or container.exit_code is not None:
        return {}
    now, processor_seconds, memory = time.monotonic(), 0.0, 0
    try:
        for process in psutil.Process(container.pid).children(recursive=True):
            with process.oneshot():
                times = process.cpu_times()
                processor_seconds += times.user + times.system
                memory += process.memory_info().rss
        disk = shutil.disk_usage(container.folder)
    except (psutil.Error, FileNotFoundError):  # it is just ending
        return {}
    found = {
        "MemoryUtilization": 100.0 * memory / psutil.virtual_memory().total,
        "DiskUtilization": 100.0 * disk.used / disk.total,
    }
    if container in _seen:
        then, before = _seen[container]
        found["CPUUtilization"] = max(0.0, 100.0 * (processor_seconds - before) / (now - then))
    _seen[container] = now, processor_seconds
    return found
