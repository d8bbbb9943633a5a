"""How a worker's time goes round: between what comes in, the model, and what goes out."""

import contextlib
import os
import select
import socket
import threading
import traceback
from collections.abc import Callable
from typing import NoReturn

from answering import Answering, Request
from wire import Frames

_RECEIVE = 1 << 20  # bytes


def serve_in_turn(answering: Answering, connection: socket.socket) -> None:
    """One thread does everything, until the connection is closed and all is answered.

    For a model on the CPU: other threads would only take the interpreter, and a core, from the model's. What came in
    while it was busy is the next batch.
    """
    frames = Frames()
    waiting = answering.waiting
    is_open = True
    while is_open or waiting.has_any:
        if is_open and select.select([connection], [], [], waiting.patience())[0]:
            is_open = _take_in(answering, connection, frames)
        if not is_open:
            waiting.close()
        if waiting.has_any and waiting.patience() == 0.0:
            answering.ask_next()
        _send(answering.answers(), connection)


def serve_in_threads(answering: Answering, connection: socket.socket) -> None:
    """A thread each for what comes in and for what goes out; this one asks the model, until all is answered.

    For a model on a GPU, which so goes from one batch to the next while texts are tokenised and answers written.
    """

    def receive() -> None:
        frames = Frames()
        while _take_in(answering, connection, frames):
            pass
        answering.waiting.close()

    def send() -> None:
        while answers := answering.wait_for_answers():
            _send(answers, connection)

    threads = [threading.Thread(target=_or_end, args=(work,), name=work.__name__) for work in (receive, send)]
    for thread in threads:
        thread.start()
    while answering.waiting.wait():
        answering.ask_next()
    answering.no_more_answers()
    for thread in threads:
        thread.join()


def _take_in(answering: Answering, connection: socket.socket, frames: Frames) -> bool:
    """False: the front end has closed the connection, or is gone."""
    try:
        data = connection.recv(_RECEIVE)
    except OSError:
        return False
    answering.take_in([Request(header, body) for header, body in frames.feed(data)])
    return bool(data)


def _send(answers: bytes, connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the front end is gone, and nobody waits
        connection.sendall(answers)


def _or_end(work: Callable[[], None]) -> None:
    """A worker without one of its threads would look ready and answer nothing: the front end starts another one."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        _end()


def _end() -> NoReturn:
    os._exit(70)
