"""A worker for tests of the server's front end: speaks the wire protocol, and does what a request's body tells it.

The tests copy it over worker.py. FAKE_WORKER is what it does at its start: `slow:<seconds>`, `fail:<reason>`, `die`,
`die-again` (from its second start on, as noted in $FAKE_WORKER_STARTS); without it, it is ready at once.
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from wire import Frames, write_frame


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int)
    parser.add_argument("--gpu", type=int)
    connection = socket.socket(fileno=parser.parse_args().socket)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    how, _, what = os.environ.get("FAKE_WORKER", "").partition(":")
    starts = Path(os.environ.get("FAKE_WORKER_STARTS", os.devnull))
    started_before = starts.is_file() and len(starts.read_text())
    with starts.open("a") as file:
        file.write("x")
    if how == "fail":
        connection.sendall(write_frame({"failed": what}))
        print("still talking", flush=True)
        sys.exit(1)
    if how == "die" or (how == "die-again" and started_before):
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "slow":
        time.sleep(float(what))
    ready = {"ready": f"fake model is ready, pid {os.getpid()}", "device": "cpu"}
    ready["threads"] = int(os.environ.get("FAKE_WORKER_THREADS", "1000000"))  # of which no machine has place for two
    connection.sendall(write_frame(ready))
    serve(connection)


def serve(connection: socket.socket) -> None:
    """Answers at once, all that has come together; only what is told to sleep is answered by a thread of its own."""
    frames = Frames()
    lock = threading.Lock()
    while data := connection.recv(1 << 20):
        answers = []
        requests = frames.feed(data)
        for header, body in requests:
            order = json.loads(body) if body.startswith(b'{"') else {}
            if order.get("die"):
                os.kill(os.getpid(), signal.SIGKILL)
            if "hang" in order:
                time.sleep(order["hang"])
            if "sleep" in order:
                arguments = (connection, lock, order["sleep"], answer(header, body, order, len(requests)))
                threading.Thread(target=answer_later, args=arguments, daemon=True).start()
            else:
                answers.append(answer(header, body, order, len(requests)))
        with lock:
            connection.sendall(b"".join(answers))


def answer_later(connection: socket.socket, lock: threading.Lock, seconds: float, frame: bytes) -> None:
    time.sleep(seconds)
    with lock:
        connection.sendall(frame)


def answer(header: dict[str, Any], body: bytes, order: dict[str, Any], batch: int) -> bytes:
    said = {
        "id": header["id"],
        "status": order.get("status", 200),
        "content_type": "application/json",
        "queue_ms": 1.5,
        "batch": batch,
        "model_ms": 2.25,
        "tokens": 7,
        "gpu_bytes": 1024 if "gpu" in order else None,
        "error": order.get("error"),
    }
    asked = {"content_type": header["content_type"], "accept": header["accept"], "bytes": len(body), "pid": os.getpid()}
    return write_frame(said, b"a" * order["large"] if "large" in order else json.dumps(asked).encode())


if __name__ == "__main__":
    main()
