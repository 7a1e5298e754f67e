"""Requests that begin and never end, over HTTP/2 by hand, because a client's library sends whole messages."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from select import select

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, WINDOW = 0, 1, 3, 4, 6, 8
END_STREAM, END_HEADERS, ACKNOWLEDGED = 1, 4, 1
INITIAL_WINDOW = 4
AT_ONCE = 1 << 14


class Unfinished:
    """Calls on one connection that say how long their message is, and send all but the last byte where they may."""

    def __init__(self, address: str, path: str, message: int, calls: int = 1) -> None:
        host, port = address.split(":")
        self.line = socket.create_connection((host, int(port)), 10)
        self.sent = 0
        self.ended: set[int] = set()
        """Calls that the server has answered or reset."""
        self._heard = b""
        self._window = self._initial = 65535
        self._windows = dict.fromkeys(range(1, 2 * calls, 2), self._initial)
        self._left = dict.fromkeys(self._windows, message - 1)
        fields = {
            ":method": "POST", ":scheme": "http", ":path": path, ":authority": address,
            "content-type": "application/grpc", "te": "trailers",
        }  # fmt: skip
        header = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
        self.line.sendall(PREFACE + _frame(SETTINGS, 0, 0, b""))
        for call in self._windows:
            self.line.sendall(_frame(HEADERS, END_HEADERS, call, header))
            self._send(call, struct.pack(">BI", 0, message))

    def push(self) -> None:
        """Send what the server has room for, until it has none."""
        while True:
            self._hear()
            open_calls = [call for call in self._left if call not in self.ended]
            sizes = {call: min(self._left[call], self._windows[call], self._window, AT_ONCE) for call in open_calls}
            if not any(size > 0 for size in sizes.values()):
                if not select([self.line], [], [], 0.3)[0]:
                    return
                continue
            call = max(sizes, key=lambda one: sizes[one])
            self._send(call, bytes(sizes[call]))
            self._left[call] -= sizes[call]
            self.sent += sizes[call]

    def all_ended(self) -> bool:
        """Whether the server has ended all calls."""
        self._hear()
        return self.ended == self._left.keys()

    def _send(self, call: int, content: bytes) -> None:
        self.line.sendall(_frame(DATA, 0, call, content))
        self._windows[call] -= len(content)
        self._window -= len(content)

    def _hear(self) -> None:
        while select([self.line], [], [], 0)[0] and (heard := self.line.recv(1 << 16)):
            self._heard += heard
        while len(self._heard) >= 9 + (size := int.from_bytes(self._heard[:3])):
            kind, flags, call = struct.unpack(">BBI", self._heard[3:9])
            self._take(kind, flags, call, self._heard[9 : 9 + size])
            self._heard = self._heard[9 + size :]

    def _take(self, kind: int, flags: int, call: int, content: bytes) -> None:
        if kind == WINDOW and call:
            self._windows[call] += int.from_bytes(content)
        elif kind == WINDOW:
            self._window += int.from_bytes(content)
        elif kind == SETTINGS and not flags & ACKNOWLEDGED:
            new = dict(struct.iter_unpack(">HI", content)).get(INITIAL_WINDOW, self._initial)
            self._windows = {call: window + new - self._initial for call, window in self._windows.items()}
            self._initial = new
            self.line.sendall(_frame(SETTINGS, ACKNOWLEDGED, 0, b""))
        elif kind == PING and not flags & ACKNOWLEDGED:
            self.line.sendall(_frame(PING, ACKNOWLEDGED, 0, content))
        elif kind == RESET or (kind == HEADERS and flags & END_STREAM):
            self.ended.add(call)


@contextmanager
def unfinished(address: str, path: str, message: int, calls: int = 1) -> Iterator[Unfinished]:
    """Calls that have sent what they may, until the end of the block."""
    begun = Unfinished(address, path, message, calls)
    with closing(begun.line):
        begun.push()
        yield begun


def _frame(kind: int, flags: int, call: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + struct.pack(">BBI", kind, flags, call) + content


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()
