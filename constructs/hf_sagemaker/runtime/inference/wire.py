"""What the server's front end and its model workers say to each other, over a Unix socket.

A frame is the length of a header, the length of a body (each 32 bits, little-endian), the header, and the body as it
is.
The header is a dictionary in Python's own marshal format, which takes a fraction of what JSON takes: both ends are the
same Python, and this program's own processes. What clients sent travels in bodies only, unread.
"""

import marshal
import struct
from typing import Any

_LENGTHS = struct.Struct("<II")


def write_frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """The bytes to send. header: of texts, numbers, truth values and None."""
    packed = marshal.dumps(header)
    return b"".join((_LENGTHS.pack(len(packed), len(body)), packed, body))


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
        with memoryview(rest) as view:
            while end - start >= _LENGTHS.size:
                header_length, body_length = _LENGTHS.unpack_from(rest, start)
                header = start + _LENGTHS.size
                body = header + header_length
                if end < body + body_length:
                    break
                start = body + body_length
                frames.append((marshal.loads(view[header:body]), bytes(view[body:start])))
        del rest[:start]
        return frames
