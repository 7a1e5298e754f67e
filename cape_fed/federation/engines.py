"""Engines on this machine: threads of this process, or Flower's own simulation on Ray."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from flwr.app import Context
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from cape_fed.extras import require
from cape_fed.federation.local_grid import LocalGrid
from cape_fed.federation.superlink import QUIET

Lead = Callable[[Grid], None]
"""What the coordinator does with a Grid, from joining to the bundle."""


def run_local(lead: Lead, app: ClientApp, sites: int, workers: int, threads: int) -> None:
    """Lead the sites in this process, ``workers`` at a time with ``threads`` PyTorch threads each."""
    grid = LocalGrid(app, sites, workers, prepare=lambda: torch.set_num_threads(threads))
    try:
        lead(grid)
    finally:
        grid.close()


def run_flower(lead: Lead, app: ClientApp, sites: int, workers: int, threads: int) -> None:
    """Lead the sites through Flower's simulation engine, ``workers`` Ray actors at a time."""
    require("ray", "ray", "engine=flower")
    from flwr.simulation import run_simulation  # imports Ray

    failures: list[BaseException] = []
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        try:
            lead(grid)
        except BaseException as error:
            failures.append(error)

    resources: dict[str, Any] = {"num_cpus": threads, "num_gpus": 1 / workers if torch.cuda.is_available() else 0}
    run_simulation(server, app, sites, backend_config={"client_resources": resources})
    if failures:
        raise failures[0]


def keep_flower_quiet() -> None:
    """No telemetry, no look-ups of newer versions, no log lines of Flower's own on the terminal; workers find us."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    root = str(Path(__file__).resolve().parents[2])
    os.environ |= {
        **QUIET,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
    }
