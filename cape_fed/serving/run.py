"""The life of a server as a process: from its first line to the answer of its last request."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cape_fed.errors import RunError
from cape_fed.monitoring.exporter import make_exporter
from cape_fed.release.bundle import reference_signal
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.serving.options import Options
from cape_fed.serving.server import EncoderServer
from cape_fed.serving.tally import Tally

log = logging.getLogger(__name__)


async def serve_until_stopped(encoder: PretrainedEncoder, version: str, options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then answer what was accepted.

    InputError where it cannot listen, RunError where requests had to be cut off.
    """
    logging.getLogger(__package__).setLevel(logging.INFO)
    server, stop = EncoderServer(encoder, version, options), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _warm_up(encoder)
    with _exporter(server.tally, options.metrics):
        await server.start()
        secured = "with TLS" if options.tls else "without TLS"
        log.info("serving %s, version %s, %s at %s:%d", options.name, version, secured, options.host, server.port)
        await stop.wait()
        log.info("stopping: no new requests; those that were accepted are answered")
        if cut := await server.drain():
            raise RunError(f"{cut} requests were cut off: not answered within {options.limits.drain:g} s")
    log.info("stopped")


def _warm_up(encoder: PretrainedEncoder) -> None:
    """Embed once at another rate than the profile's, so that no client waits for imports and first kernels."""
    signal = np.repeat(reference_signal(encoder.profile), 2, axis=1)
    encoder.embed(signal, 2 * encoder.profile.fs)


@contextmanager
def _exporter(tally: Tally, address: tuple[str, int] | None) -> Iterator[None]:
    """Metrics over HTTP meanwhile, where they are asked for."""
    if address is None:
        yield
        return
    with make_exporter(tally, *address) as exporter:
        thread = threading.Thread(target=exporter.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        log.info("metrics at http://%s:%d/metrics", address[0], exporter.server_port)
        try:
            yield
        finally:
            exporter.shutdown()
            thread.join()
