"""What an operator chooses about a server of an encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a server takes on."""

    batch: int = 64
    """Recordings that the encoder computes at once, at most; one request is never split."""
    queue: int = 256
    """Recordings that are accepted and not yet answered, at most; also of one request."""
    message: int = 64 * MEGABYTE
    """Bytes of a request, at most."""
    threads: int = field(default_factory=torch.get_num_threads)
    """Threads that preprocess and compute: as many as PyTorch would use, which is one a core."""
    drain: float = 25.0
    """Seconds in which accepted requests may end after the server has been told to stop."""

    @property
    def bytes_held(self) -> int:
        """Bytes of all requests that are accepted and not yet answered, at most."""
        return 8 * self.message


@dataclass(frozen=True, slots=True)
class Tls:
    """The files that a server proves itself with, and perhaps asks its clients to prove themselves by."""

    certificate: Path
    key: Path
    client_authority: Path | None = None
    """Where it is given, clients need a certificate of this authority."""


@dataclass(frozen=True, slots=True)
class Options:
    """Address, name and limits of a server."""

    host: str
    port: int
    name: str = "ecg-encoder"
    """What clients call the model."""
    tls: Tls | None = None
    limits: Limits = field(default_factory=Limits)
    metrics: tuple[str, int] | None = None
    """Host and port of the metrics; None shows none."""
