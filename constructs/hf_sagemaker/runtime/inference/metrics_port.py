"""Prometheus' text on a port of this machine only: `GET /metrics`."""

import asyncio
from collections.abc import Callable
from typing import cast

_MOST_BYTES = 16_384  # of a request


class _Scrape(asyncio.Protocol):
    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not derived from it

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b"\r\n\r\n" not in self._received and len(self._received) < _MOST_BYTES:
            return
        if self._received.startswith((b"GET /metrics ", b"GET /metrics?")):
            status, body = "200 OK", self._text().encode()
        else:
            status, body = "404 Not Found", b"only GET /metrics is here\n"
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.close()


async def listen(port: int, text: Callable[[], str]) -> asyncio.Server:
    """port: on 127.0.0.1. text: called for each request. OSError: the port is taken."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Scrape(text), "127.0.0.1", port)
