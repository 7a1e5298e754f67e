"""How many messages are received at a time; the others wait before more than a few kilobytes of them have come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import grpc

from cape_fed.serving.refusal import Context, RefusedError, invalid

SMALL = 1 << 14
"""Bytes of a message without recordings, at most."""
SIDE_WAITING, SIDE_SECONDS = 64, 5.0
"""How many requests without recordings may wait to be received, and how long one may take to come."""


class NoMessageError(RefusedError):
    """A call brings no message, or no further one."""


class Door:
    """Gives out turns in which a message may be received, in the order in which they are asked for.

    How long a message is comes out when it is there, so that each turn counts as the longest one. An object of one
    event loop.
    """

    def __init__(self, room: Callable[[], int], message: int, waiting: int, seconds: float) -> None:
        """``room`` says for how many bytes there is room beside those that are being received.

        ``message`` is the length of the longest message, ``waiting`` how many may wait for a turn, and ``seconds`` how
        long one may take to come, the wait for its turn included.
        """
        self.room = room
        self.message = message
        self.waiting = waiting
        self.seconds = seconds
        self._receiving = 0
        self._asked: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn to receive one message; RefusedError where there is no room for it, or where it takes too long."""
        try:
            async with asyncio.timeout(self.seconds):
                await self._enter()
                try:
                    yield
                finally:
                    self._leave()
        except TimeoutError:
            raise RefusedError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the request has not come within {self.seconds:g} s: try again later, or send less at once",
            ) from None

    async def _enter(self) -> None:
        if len(self._asked) >= self.waiting:
            raise _full()
        turn = asyncio.get_running_loop().create_future()
        self._asked.append(turn)
        self._call()
        try:
            await turn
        except asyncio.CancelledError:
            with suppress(ValueError):  # it is not in the line any more
                self._asked.remove(turn)
            if not turn.cancelled() and turn.exception() is None:
                self._leave()  # it was its turn when it was given up
            raise

    def _leave(self) -> None:
        self._receiving -= 1
        self._call()

    def _call(self) -> None:
        """Let in whoever has waited longest, as far as there is room; where that will not come, refuse them."""
        while self._asked:
            room, turn = self.room(), self._asked[0]
            if not turn.done() and self.message <= room < (self._receiving + 1) * self.message:
                return
            self._asked.popleft()
            if turn.done():  # given up
                continue
            if room < self.message:
                turn.set_exception(_full())
            else:
                self._receiving += 1
                turn.set_result(None)


def side_door(message: int, turns: int) -> Door:
    """One for requests without recordings, so that they wait for none of those with recordings."""
    return Door(lambda: turns * message, message, SIDE_WAITING, SIDE_SECONDS)


async def read(context: Context) -> bytes:
    """The message of a call that brings one; NoMessageError where none comes."""
    content = await context.read()
    if not isinstance(content, bytes):
        raise NoMessageError(grpc.StatusCode.INVALID_ARGUMENT, "the call ended without a message")
    return content


async def read_small(door: Door, context: Context) -> bytes:
    """The message of a call that brings few bytes, received when it is its turn; RefusedError where it is no such."""
    async with door.turn():
        content = await read(context)
    if len(content) > SMALL:
        raise invalid(f"this message has {len(content)} bytes: {SMALL} are enough for it")
    return content


def _full() -> RefusedError:
    return RefusedError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "the server holds as many requests as it can: try again later"
    )
