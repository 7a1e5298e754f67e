"""An encoder behind ``cape-fed serve`` under load, beside the bare encoder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np

from bench.clients import FS, recordings
from bench.row import Row
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import get_profile

CLIENTS = (1, 8, 32)
SECONDS, ROUNDS = 3.0, 3
"""Of load a round; rounds alternate with the bare encoder, so that other work on the machine affects both."""
BARE = 32
"""Recordings a call of the bare encoder."""


class Load(NamedTuple):
    """One round."""

    latencies: list[float]
    answered: int
    server_cpu: float
    client_cpu: float


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    for model in ("tiny", "base"):
        bundle = scratch / f"serving-{model}"
        write_bundle(bundle, build_encoder(MODELS[model], 0), get_profile("compact100"), Provenance(method="bench"))
        encoder = load_encoder(bundle)
        with serving(bundle) as (address, process):
            for clients in CLIENTS:
                yield row(model, clients, [(bare(encoder), load(address, clients, process)) for _ in range(ROUNDS)])


def row(model: str, clients: int, rounds: Sequence[tuple[float, Load]]) -> Row:
    """Medians over the rounds; latencies are those of all."""
    latencies = np.concatenate([found.latencies for _, found in rounds])
    rate = median(len(found.latencies) / SECONDS for _, found in rounds)
    reference = median(alone for alone, _ in rounds)
    p50, p99 = 1000 * np.percentile(latencies, [50, 99])
    server, client = (
        1000 * sum(getattr(found, part) for _, found in rounds) / sum(found.answered for _, found in rounds)
        for part in ("server_cpu", "client_cpu")
    )
    return Row(
        f"serving {model} to {clients} client{'s' if clients > 1 else ''}, 10 s at 500 Hz",
        f"{rate:.0f} records/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms",
        f"encoder.embed of {BARE} at a time: {reference:.0f} records/s",
        f"{100 * rate / reference:.0f} %",
        "80 % at 32 clients",
        f"CPU a record: server {server:.1f} ms, clients {client:.1f} ms, on the same {os.cpu_count()} cores; "
        f"load {os.getloadavg()[0]:.1f}",
    )


def bare(encoder: PretrainedEncoder) -> float:
    """Records a second of the encoder alone, in this process."""
    batch = recordings(BARE)
    encoder.embed(batch, FS)
    times = []
    end = perf_counter() + SECONDS / 2
    while perf_counter() < end:
        begin = perf_counter()
        encoder.embed(batch, FS)
        times.append(perf_counter() - begin)
    return BARE / median(times)


def load(address: str, clients: int, process: subprocess.Popen[str]) -> Load:
    """What the clients measured, and the CPU seconds of both sides meanwhile."""
    before = cpu_seconds(process.pid)
    command = [sys.executable, "-m", "bench.clients", address, str(clients), str(SECONDS)]
    done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return Load(done["latencies"], done["answered"], cpu_seconds(process.pid) - before, done["cpu"])


def cpu_seconds(pid: int) -> float:
    """Of a process and those that it has started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(map(cpu_seconds, map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())))


@contextmanager
def serving(bundle: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command as a user starts it: its address and its process."""
    command = [str(Path(sys.executable).with_name("cape-fed")), "serve", str(bundle), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if match := re.search(r"serving .* at (\S+)$", line):
                yield match[1], process
                break
    finally:
        process.terminate()
        process.wait(30)
