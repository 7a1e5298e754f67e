"""A server of one encoder: it listens, answers, and ends without losing what it has accepted."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2

from cape_fed.release.bundle import reference_signal
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.serving.companions import health_handler, reflection_handler
from cape_fed.serving.door import SIDE_WAITING, side_door
from cape_fed.serving.options import Options
from cape_fed.serving.ports import cannot_listen
from cape_fed.serving.protocol import SERVICE
from cape_fed.serving.service import InferenceService
from cape_fed.serving.tally import Counts, Tally
from cape_fed.serving.tls import server_credentials
from cape_fed.serving.work import Work

log = logging.getLogger(__name__)

CLOSING = 1.0
"""Seconds for calls without an end, such as watching the health, after all requests are answered."""


class EncoderServer:
    """Serves from `start` to `drain`, within one event loop."""

    def __init__(self, encoder: PretrainedEncoder, version: str, options: Options) -> None:
        self.options = options
        self.tally = Tally()
        self.work = Work(encoder, options.name, version, options.limits, self.tally)
        self.health = health.aio.HealthServicer()
        self.port = 0
        """Where it listens, once it does."""
        self._emptied = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    def warm_up(self) -> None:
        """Embed once at another rate than the profile's, so that no client waits for imports and first kernels."""
        encoder = self.work.encoder
        encoder.embed(np.repeat(reference_signal(encoder.profile), 2, axis=1), 2 * encoder.profile.fs)

    async def start(self) -> None:
        """Begin to listen; InputError where the address is taken."""
        loop = asyncio.get_running_loop()
        self.work.admission.emptied = partial(loop.call_soon_threadsafe, self._emptied.set)
        self._server = self._listening()
        for name in ("", SERVICE, self.options.name):
            await self.health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()

    def counts(self) -> Counts:
        """What it has done so far; may be asked by any thread."""
        return self.tally.counts(self.work.admission.records, not self.work.admission.closed)

    async def drain(self) -> int:
        """Stop accepting, let what was accepted end, then stop; how many requests were cut off after all.

        Health and readiness say so first, while the port still answers, so that a load balancer turns away in time.
        """
        assert self._server is not None
        await self.health.enter_graceful_shutdown()
        if not self.work.admission.close():
            try:
                await asyncio.wait_for(self._emptied.wait(), self.options.limits.drain)
            except TimeoutError:
                log.warning("%d requests were not answered in time and are cut off", self.work.admission.requests)
        cut = self.work.admission.requests
        await self._server.stop(CLOSING)
        self.work.close()
        return cut

    def _listening(self) -> grpc.aio.Server:
        limits = self.options.limits
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.message),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", limits.queue + SIDE_WAITING),  # of one connection
                # Of a message that nobody has asked for 64 KB come; after probes of the line it would be megabytes.
                ("grpc.http2.bdp_probe", 0),
                ("grpc.so_reuseport", int(bool(self.options.shared))),
            ]
        )
        side, questions = side_door(limits.message, turns=2), side_door(limits.message, turns=1)
        handlers = (
            InferenceService(self.work, side).handler(),
            health_handler(self.health, side),
            reflection_handler(questions),
        )
        server.add_generic_rpc_handlers(handlers)
        self.port = self._bind(server)
        return server

    def _bind(self, server: grpc.aio.Server) -> int:
        identity = self.options.identity
        credentials = None if identity is None else server_credentials(identity)
        try:
            for address in self.options.shared or (self.options.address,):
                if credentials is None:
                    port = server.add_insecure_port(address)
                else:
                    port = server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise cannot_listen(self.options.address) from error
        return int(port)
