"""From the bytes of a request to the bytes of its answer: read, preprocess, encode."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, perf_counter
from typing import Any, NamedTuple

import grpc
import numpy as np
from numpy.typing import NDArray

from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.serving.admission import Admission, Place
from cape_fed.serving.batches import Batcher, expired
from cape_fed.serving.options import Limits
from cape_fed.serving.refusal import RefusedError, invalid
from cape_fed.serving.requests import parse, read_recordings, write_answer
from cape_fed.serving.tally import Tally


class _Prepared(NamedTuple):
    request: Any
    signals: NDArray[np.int16]
    valid: NDArray[np.integer[Any]]
    is_raw: bool


class Work:
    """Embeds what requests hold, several of them at a time; an object of one event loop."""

    def __init__(self, encoder: PretrainedEncoder, name: str, version: str, limits: Limits, tally: Tally) -> None:
        self.encoder = encoder
        self.name = name
        self.version = version
        self.limits = limits
        self.tally = tally
        self.admission = Admission(limits)
        self.batcher = Batcher(self._encode, limits, lambda: self._preparing)
        self._preparing = 0
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="prepare")

    async def answer(self, content: bytes, deadline: float) -> bytes:
        """The ModelInferResponse for a ModelInferRequest; RefusedError where there is none.

        ``deadline`` is a moment of the monotonic clock: what has not begun by then is not computed.
        """
        with self.admission.admit(len(content)) as place:
            prepared = await self._prepare(content, deadline, place)
            embedding = await self.batcher.embed(prepared.signals, prepared.valid, deadline)
            return write_answer(prepared.request, self.version, embedding, prepared.is_raw)

    def check_model(self, name: str, version: str) -> None:
        """RefusedError unless this is the model that is served, or no version is given."""
        if name != self.name or version not in ("", self.version):
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND, f"there is one model here: '{self.name}', version '{self.version}'"
            )

    def close(self) -> None:
        """Begin no further work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _prepare(self, content: bytes, deadline: float, place: Place) -> _Prepared:
        self._preparing += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._read_and_preprocess, content, deadline, place)
        finally:
            self._preparing -= 1
            self.batcher.notify()

    def _read_and_preprocess(self, content: bytes, deadline: float, place: Place) -> _Prepared:
        """Runs in one of several threads, each with a request of its own."""
        if deadline <= monotonic():
            raise expired()
        with self._timed("prepare"):
            request = parse("ModelInfer", content)
            self.check_model(request.model_name, request.model_version)
            recordings = read_recordings(request, self.limits.queue)
            self.admission.grow(place, len(recordings.ecg_mv))
            try:
                rows = self.encoder.prepare(recordings.ecg_mv, recordings.fs, recordings.leads, recordings.missing)
            except ValueError as error:
                raise invalid(str(error)) from None
            return _Prepared(request, *rows, recordings.is_raw)

    def _encode(self, signals: NDArray[np.int16], valid: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        with self._timed("encode"):
            embedding = self.encoder.embed_rows(signals, valid)
        self.tally.add("cape_fed_serving_batches_total", 1)
        self.tally.add("cape_fed_serving_records_total", len(embedding))
        return embedding

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        begin = perf_counter()
        try:
            yield
        finally:
            self.tally.add("cape_fed_serving_work_seconds_total", perf_counter() - begin, part=part)
