"""From the bytes of a request to the bytes of its answer: read, preprocess, encode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import grpc
import numpy as np
import torch
from numpy.typing import NDArray

from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.serving.admission import Admission, Place
from cape_fed.serving.batches import FEW, Batcher, Prepared
from cape_fed.serving.door import Door
from cape_fed.serving.frame import check_frame
from cape_fed.serving.options import Limits
from cape_fed.serving.refusal import RefusedError, invalid
from cape_fed.serving.requests import parse, read_recordings, write_answer
from cape_fed.serving.tally import Tally


class Work:
    """Embeds what requests hold, several of them at a time; an object of one event loop."""

    def __init__(self, encoder: PretrainedEncoder, name: str, version: str, limits: Limits, tally: Tally) -> None:
        self.encoder = encoder
        self.name = name
        self.version = version
        self.limits = limits
        self.tally = tally
        self.admission = Admission(limits)
        self.door = Door(self._room, limits.message, limits.queue, limits.receive)
        self.batcher = Batcher(self._encode, limits, limits.threads if encoder.encoder.device.type == "cpu" else 1)

    async def answer(self, content: bytes, place: Place, deadline: float) -> bytes:
        """The ModelInferResponse for a ModelInferRequest that was admitted; RefusedError where there is none.

        ``deadline`` is a moment of the monotonic clock: what has not begun by then is not computed.
        """
        return await self.batcher.embed(partial(self._read_and_preprocess, content, place), deadline)

    def check_model(self, name: str, version: str) -> None:
        """RefusedError unless this is the model that is served, or no version is given."""
        if name != self.name or version not in ("", self.version):
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND, f"there is one model here: '{self.name}', version '{self.version}'"
            )

    def close(self) -> None:
        """Begin no further work."""
        self.batcher.close()

    def _room(self) -> int:
        """Bytes for which there is room beside the requests that wait for their answers."""
        return self.limits.bytes_held - self.admission.bytes

    def _read_and_preprocess(self, content: bytes, place: Place) -> Prepared:
        """Runs in one of several threads, each with a request of its own."""
        with self._timed("prepare"):
            check_frame(content)
            request = parse("ModelInfer", content)
            self.check_model(request.model_name, request.model_version)
            recordings = read_recordings(request, self.limits.queue)
            self.admission.grow(place, len(recordings.ecg_mv))
            try:
                rows = self.encoder.prepare(recordings.ecg_mv, recordings.fs, recordings.leads, recordings.missing)
            except ValueError as error:
                raise invalid(str(error)) from None
            answer = partial(write_answer, request, self.version, is_raw=recordings.is_raw)
            return Prepared(*rows, answer)

    def _encode(self, signals: NDArray[np.int16], valid: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        self._set_pytorch_threads(len(valid))
        with self._timed("encode"):
            embedding = self.encoder.embed_rows(signals, valid)
        self.tally.add("cape_fed_serving_batches_total", 1)
        self.tally.add("cape_fed_serving_records_total", len(embedding))
        return embedding

    def _set_pytorch_threads(self, records: int) -> None:
        """Share the cores between what is being done: PyTorch's threads are a setting of the thread that calls it.

        A batch alone gets all of them, but no core for fewer than `FEW` of its ``records``, which are no faster on two.
        Under load each batch gets one, because several beside each other are faster than one after the other on all.
        """
        cores = self.limits.threads // (self.batcher.preparing + self.batcher.computing)
        count = max(1, min(cores, records // FEW))
        if count != torch.get_num_threads():
            torch.set_num_threads(count)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        begin = perf_counter()
        try:
            yield
        finally:
            self.tally.add("cape_fed_serving_work_seconds_total", perf_counter() - begin, part=part)
