"""What each of several processes of a server does, and the words by which the one that started it talks with it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from cape_fed.errors import InputError
from cape_fed.logs import log_to_stderr
from cape_fed.release.bundle import load_encoder
from cape_fed.release.sums import version_of
from cape_fed.serving.options import Options
from cape_fed.serving.server import EncoderServer
from cape_fed.serving.tally import Counts


class Listening:
    """The first word of a process."""


class Failed(NamedTuple):
    """The first word of a process that cannot listen."""

    reason: str


class Stopped(NamedTuple):
    """The last word of a process."""

    cut: int
    """How many requests it cut off."""
    counts: Counts


class Stop:
    """Asks a process to stop."""


class Count:
    """Asks a process for its counts."""


def serve_for(bundle: Path, device: str, options: Options, line: Connection) -> None:
    """Serve until it is told to stop, or the one that started it is gone."""
    log_to_stderr(logging.WARNING)
    try:
        asyncio.run(_serve_until_told(bundle, device, options, line))
    except InputError as error:
        _say(line, Failed(str(error)))


async def _serve_until_told(bundle: Path, device: str, options: Options, line: Connection) -> None:
    server = EncoderServer(load_encoder(bundle, device), version_of(bundle), options)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def hear() -> None:
        try:
            word = line.recv()
        except (EOFError, OSError):
            loop.remove_reader(line.fileno())
            stop.set()
            return
        if isinstance(word, Count):
            _say(line, server.counts())
        else:
            stop.set()

    server.warm_up()
    await server.start()
    _say(line, Listening())
    loop.add_reader(line.fileno(), hear)
    await stop.wait()
    cut = await server.drain()
    _say(line, Stopped(cut, server.counts()))


def _say(line: Connection, word: Listening | Failed | Stopped | Counts) -> None:
    with suppress(OSError):  # that nobody hears it is heard elsewhere
        line.send(word)
