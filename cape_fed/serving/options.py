"""What an operator chooses about a server of an encoder."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

import torch

MEGABYTE = 1 << 20
MOST_PROCESSES = 4


def usual_processes(device: str, cores: int) -> int:
    """One a core, each of which takes some hundreds of megabytes; a GPU has one. Linux alone shares a port evenly."""
    return min(cores, MOST_PROCESSES) if device == "cpu" and sys.platform == "linux" else 1


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
    receive: float = 30.0
    """Seconds that a request may take to come, at most; it holds a place for the longest message meanwhile."""
    drain: float = 25.0
    """Seconds in which accepted requests may end after the server has been told to stop."""

    def of_one_among(self, processes: int) -> Limits:
        """Limits of each of several: it may use twice its share of the threads, since others may have less to do."""
        return replace(self, threads=min(self.threads, ceil(2 * self.threads / processes)))

    @property
    def bytes_held(self) -> int:
        """Bytes of all requests that are being received or not yet answered, at most."""
        return 8 * self.message


@dataclass(frozen=True, slots=True)
class Tls:
    """The files that a server proves itself with, and perhaps asks its clients to prove themselves by."""

    certificate: Path
    key: Path
    client_authority: Path | None = None
    """Where it is given, clients need a certificate of this authority."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What those files held when they were read, all PEM: a server of several processes has it from one reading."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_authority: bytes | None
    end: float
    """Unix time at which the first of the certificates ends."""


@dataclass(frozen=True, slots=True)
class Options:
    """Address, name and limits of a server."""

    host: str
    port: int
    name: str = "ecg-encoder"
    """What clients call the model."""
    identity: Identity | None = None
    """For TLS; None serves without it."""
    limits: Limits = field(default_factory=Limits)
    metrics: tuple[str, int] | None = None
    """Host and port of the metrics; None shows none."""
    shared: tuple[str, ...] = ()
    """Numeric addresses, the host's, at which others of this user's processes listen too, each with its connections."""

    @property
    def address(self) -> str:
        """Where it listens, as gRPC and people write it."""
        return joined(self.host, self.port)

    @property
    def certificate_end(self) -> float | None:
        """Unix time at which the certificate ends, where there is one."""
        return self.identity.end if self.identity else None

    def described(self, version: str) -> str:
        """What is served, in words."""
        return f"{self.name}, version {version}, {'with' if self.identity else 'without'} TLS"


def joined(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
