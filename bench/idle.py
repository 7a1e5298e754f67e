"""What sites that have nothing to do cost: the CPU time of a SuperLink with 20 of them, and of one site."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

from bench.row import Row
from cape_fed.site import flower
from tests.deployment.deployment import Deployment
from tests.deployment.hospitals import Hospitals
from tests.deployment.hospitals import write_cohorts as write_stores
from tests.deployment.processes import Process

SITES = 20
SECONDS = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
SUPEREXEC_POLL = 3.0
"""Seconds between looks of the SuperLink's SuperExec for a run to start, as in the units of the documentation."""
REQUESTS = SITES / flower.LONGEST + SITES / 20 + 1 / SUPEREXEC_POLL
"""Requests a second: looks for a message, heartbeats every 17 to 23 s, the SuperExec."""


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    with Deployment(scratch / "idle") as deployment:
        deployment.env["FLWR_SUPEREXEC_TASK_POLL_INTERVAL"] = str(SUPEREXEC_POLL)
        link = deployment.link.start()
        alone = _share_of_core(deployment, [link])
        names = [f"s{number}" for number in range(SITES)]
        keys = [str(deployment.nodes.register(name)) for name in names]
        place = [f"{deployment.link.address}:{deployment.link.port}", str(deployment.link.certificates.ca)]
        command = [sys.executable, "-m", "bench.standins", *place, str(flower.LONGEST), *keys]
        sites = deployment.start("standins", command, env={"PYTHONPATH": str(Path(__file__).resolve().parents[1])})
        deployment.wait_for(lambda: "connected" in sites.output(), 120, "20 sites connected")
        busy = _share_of_core(deployment, [link])
        sites.kill()
        each = 10 * (busy - alone) / (REQUESTS - 1 / SUPEREXEC_POLL)
        yield Row(
            f"a SuperLink with {SITES} idle sites",
            f"{busy:.1f} % of a core ({REQUESTS:.1f} requests a second)",
            f"the same without sites: {alone:.1f} %",
            f"{busy:.1f} %",
            "5 %",
            f"{each:.1f} ms a request: TLS, a signature checked, SQLite read; its own SuperExec {alone:.1f} %",
        )
        hospitals = Hospitals(deployment, write_stores(scratch / "idle-stores"))
        hospitals.start("a")
        sleep(20 * flower.LONGEST)  # until its pauses have grown to their longest
        site = _share_of_core(deployment, [deployment.nodes["a"]])
        yield Row(
            "an idle site",
            f"{site:.1f} % of a core",
            "looks every 0.5 s and 0.1 s: 3 %",
            f"{site:.1f} %",
            "1 %",
            f"a look every {flower.LONGEST:.0f} s, its SuperExec woken by a pipe",
        )


def _share_of_core(deployment: Deployment, owners: Sequence[Process]) -> float:
    """CPU time in % of a core that processes and all that they have started take, over `SECONDS`."""
    begin, before = monotonic(), _cpu_seconds(deployment, owners)
    sleep(SECONDS)
    return 100 * (_cpu_seconds(deployment, owners) - before) / (monotonic() - begin)


def _cpu_seconds(deployment: Deployment, owners: Sequence[Process]) -> float:
    total = 0
    for owner in owners:
        for found in deployment.processes(owner):
            fields = Path(f"/proc/{found.pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS
