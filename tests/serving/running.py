"""A server of an encoder in a thread of this process, and requests to it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from tritonclient import grpc as triton

from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.serving.metrics import ServingMetrics
from cape_fed.serving.options import Limits, Options, Tls
from cape_fed.serving.server import EncoderServer
from cape_fed.serving.tls import read_identity
from cape_fed.signal.profile import get_profile

MODEL, VERSION = "ecg-encoder", "0123456789ab"


class Gate(PretrainedEncoder):
    """An encoder that computes only while it is open, and keeps what it was asked to compute."""

    def __init__(self) -> None:
        super().__init__(build_encoder(MODELS["tiny"], 0), get_profile("compact100"))
        self.open = threading.Event()
        self.open.set()
        self.began = threading.Semaphore(0)
        """Released by each batch that begins."""
        self.batches: list[int] = []
        self.threads: list[int] = []
        """Of PyTorch, for each batch."""

    def embed_rows(self, signals: Any, valid: Any) -> Any:
        self.batches.append(len(signals))
        self.threads.append(torch.get_num_threads())
        self.began.release()
        assert self.open.wait(60)
        return super().embed_rows(signals, valid)


class Running:
    """A server, the encoder behind it and the address in front of it."""

    def __init__(self, encoder: PretrainedEncoder, limits: Limits | None, tls: Tls | None) -> None:
        self.encoder = encoder
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        options = Options("127.0.0.1", 0, MODEL, read_identity(tls) if tls else None, limits or Limits())
        self.server = self.call(self._make(options))
        self.address = f"127.0.0.1:{self.server.port}"
        info = {"model": MODEL, "version": VERSION, "profile": encoder.profile.name}
        self.metrics = ServingMetrics(info, options.limits.queue, options.certificate_end, self.server.counts)

    async def _make(self, options: Options) -> EncoderServer:
        server = EncoderServer(self.encoder, VERSION, options)
        await server.start()
        return server

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.submit(work).result(60)

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def count(self, name: str, **labels: str) -> float:
        """A metric now."""
        return sum(
            sample.value
            for metric in self.metrics.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def stop(self) -> None:
        self.call(self.server.drain())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@contextmanager
def running(
    encoder: PretrainedEncoder | None = None, limits: Limits | None = None, tls: Tls | None = None
) -> Iterator[Running]:
    server = Running(encoder or Gate(), limits, tls)
    try:
        yield server
    finally:
        server.stop()


def ecg(records: int = 1, seconds: float = 10, fs: int = 500, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, 0.3, (records, 12, int(seconds * fs))).astype(np.float32)


def tensor(name: str, array: Any, datatype: str) -> triton.InferInput:
    found = triton.InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array)
    return found


def embed(client: triton.InferenceServerClient, signal: Any, fs: float = 500, **arguments: Any) -> Any:
    """What Triton's client gets for ``[B, 12, n]``, the rate as a parameter unless ``parameters`` are given."""
    arguments.setdefault("parameters", {"fs": fs})
    return client.infer(MODEL, [tensor("ecg", signal, "FP32")], **arguments).as_numpy("embedding")


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
