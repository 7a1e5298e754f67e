"""A server from its first line to the answer of its last request."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

from cape_fed.errors import RunError
from cape_fed.release.bundle import load_encoder
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.sums import version_of
from cape_fed.serving.metrics import ServingMetrics, shown_at
from cape_fed.serving.options import Options
from cape_fed.serving.processes import serve_in_processes
from cape_fed.serving.server import EncoderServer
from cape_fed.serving.stopping import stop_on

log = logging.getLogger(__name__)


def serve(bundle: Path, device: str, options: Options, processes: int) -> None:
    """Serve a bundle until SIGTERM or SIGINT, then answer what was accepted.

    InputError where the bundle is none, or where it cannot listen; RunError where requests had to be cut off or a
    process ended by itself.
    """
    logging.getLogger(__package__).setLevel(logging.INFO)
    encoder, version = load_encoder(bundle, device if processes == 1 else "cpu"), version_of(bundle)
    info = {"model": options.name, "version": version, "profile": encoder.profile.name}
    if processes == 1:
        cut = asyncio.run(_serve_alone(encoder, options, info))
    else:
        cut = asyncio.run(serve_in_processes(bundle, device, options, processes, info))
    if cut:
        raise RunError(f"{cut} requests were cut off: not answered within {options.limits.drain:g} s")
    log.info("stopped")


async def _serve_alone(encoder: PretrainedEncoder, options: Options, info: dict[str, str]) -> int:
    """Serve in this process; how many requests were cut off."""
    server, stop = EncoderServer(encoder, info["version"], options), stop_on(signal.SIGTERM, signal.SIGINT)
    server.warm_up()
    with shown_at(options.metrics, ServingMetrics(info, options.limits.queue, options.certificate_end, server.counts)):
        await server.start()
        log.info("serving %s at %s:%d", options.described(info["version"]), options.host, server.port)
        await stop.wait()
        log.info("stopping: no new requests; those that were accepted are answered")
        return await server.drain()
