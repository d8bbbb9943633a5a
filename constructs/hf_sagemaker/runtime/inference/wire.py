"""What the server's front end and its model workers say to each other, over a Unix socket.

A frame is the length of a header, the length of a body (each 32 bits, little-endian), the header as JSON, and the body
as it is. Both ends are this program's own processes; what clients sent travels in bodies only, unread.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

_LENGTHS = struct.Struct("<II")
_write_header = json.JSONEncoder(separators=(",", ":")).encode


def write_frame(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """The bytes to send. header: whatever JSON can hold."""
    text = _write_header(header).encode()
    return b"".join((_LENGTHS.pack(len(text), len(body)), text, body))


class Frames:
    """Puts frames together from what a socket gives, in any pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[tuple[dict[str, Any], bytes]]:
        """The frames, (header, body), that are whole with this; what is left waits for the next piece."""
        rest = self._rest
        rest += data
        frames = []
        start, end = 0, len(rest)
        while end - start >= _LENGTHS.size:
            header_length, body_length = _LENGTHS.unpack_from(rest, start)
            header = start + _LENGTHS.size
            body = header + header_length
            if end < body + body_length:
                break
            start = body + body_length
            frames.append((json.loads(rest[header:body]), bytes(rest[body:start])))
        del rest[:start]
        return frames
