"""What a machine has left: disk, certificates, GPU."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

from cryptography import x509

from cape_fed.expiry import server_end

Value = TypeVar("Value")

NVIDIA_SMI = "nvidia-smi"
ASKED = "index,utilization.gpu,memory.used,memory.total"
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the file system that a folder lies on."""

    free: int
    """What an ordinary user can still write."""
    size: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """What nvidia-smi says of one GPU."""

    index: str
    utilisation: float | None
    """Share of the time that it computed, 0 to 1."""
    used: float | None
    """Bytes, of all processes together."""
    size: float | None


def disk(folder: Path) -> Disk | None:
    """Of the file system that holds ``folder``, or will hold it; None where it cannot be asked."""
    for place in (folder, *folder.absolute().parents):
        try:
            usage = shutil.disk_usage(place)
        except OSError:
            continue
        return Disk(usage.free, usage.total)
    return None


def file_expiry(path: Path) -> float | None:
    """Unix time at which the first of a PEM file's certificates ends; None where it cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return None
    return min(one.not_valid_after_utc.timestamp() for one in found)


def server_expiry(address: str, seconds: float = 3.0) -> float | None:
    """Unix time at which the certificate that HOST:PORT presents ends; None where it does not answer in TLS."""
    try:
        return server_end(address, None, seconds).timestamp()
    except (OSError, ValueError):
        return None


def gpus(seconds: float = 5.0) -> list[Gpu]:
    """What nvidia-smi says now; empty where there is none. PyTorch would take GPU memory for the asking."""
    program = shutil.which(NVIDIA_SMI)
    if program is None:
        return []
    command = [program, f"--query-gpu={ASKED}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return read_gpus(done.stdout) if done.returncode == 0 else []


def read_gpus(text: str) -> list[Gpu]:
    """Lines of ``nvidia-smi --format=csv,noheader,nounits``; what it does not support there is None."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [
        Gpu(row[0], _scaled(row[1], 0.01), _scaled(row[2], MEBIBYTE), _scaled(row[3], MEBIBYTE))
        for row in rows
        if len(row) == 4 and row[0].isdigit()
    ]


class Kept(Generic[Value]):
    """A value that is asked for at most every ``seconds``, because asking takes time."""

    def __init__(self, ask: Callable[[], Value], seconds: float) -> None:
        self.ask = ask
        self.seconds = seconds
        self._found: tuple[float, Value] | None = None

    def __call__(self) -> Value:
        """The value, not older than it may be."""
        if self._found is None or monotonic() - self._found[0] > self.seconds:
            self._found = (monotonic(), self.ask())
        return self._found[1]


def _scaled(text: str, factor: float) -> float | None:
    try:
        return float(text) * factor
    except ValueError:
        return None
