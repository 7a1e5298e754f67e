"""An encoder behind ``cape-fed serve`` under load, beside the bare encoder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from bench.clients import FS, recordings
from bench.row import Row
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import get_profile

CLIENTS = (1, 8, 32)
SECONDS = 8.0
BARE = 32
"""Recordings a call of the bare encoder."""


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    for model, profile in (("tiny", "compact100"), ("base", "compact100")):
        bundle = scratch / f"serving-{model}"
        write_bundle(bundle, build_encoder(MODELS[model], 0), get_profile(profile), Provenance(method="bench"))
        encoder = load_encoder(bundle)
        with serving(bundle) as (address, process):
            for clients in CLIENTS:
                before = bare(encoder)
                found = load(address, clients, process)
                reference = (before + bare(encoder)) / 2
                latencies = np.array(found["latencies"])
                rate = len(latencies) / found["seconds"]
                p50, p99 = 1000 * np.percentile(latencies, [50, 99])
                yield Row(
                    f"serving {model}, {clients} clients",
                    f"{rate:.0f} records/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms",
                    f"encoder.embed of {BARE} at a time: {reference:.0f} records/s",
                    f"{100 * rate / reference:.0f} %",
                    "80 % at 32 clients",
                    f"CPU a record: server {1000 * found['server'] / found['answered']:.1f} ms, clients "
                    f"{1000 * found['cpu'] / found['answered']:.1f} ms, on the same {os.cpu_count()} cores; "
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


def load(address: str, clients: int, process: subprocess.Popen[str]) -> dict:
    """What the clients measured, and the CPU seconds of the server meanwhile."""
    before = cpu_seconds(process.pid)
    command = [sys.executable, "-m", "bench.clients", address, str(clients), str(SECONDS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "server": cpu_seconds(process.pid) - before}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
