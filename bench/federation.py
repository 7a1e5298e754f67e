"""What a round of the in-process engine costs in addition to its training steps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from bench.ingest import store_of
from bench.row import Row
from cape_fed.config import RunConfig
from cape_fed.pretrain.cohorts import open_cohorts
from cape_fed.pretrain.workbench import Workbench
from cape_fed.rundir import read_metrics
from cape_fed.simulation import simulate_federation
from cape_fed.store.store import open_store, write_store

SITES, ROUNDS, STEPS = 4, 12, 4


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    stores = _sites(scratch, archive)
    config = RunConfig.model_validate(
        {
            "model": "tiny",
            "train": {"pairs": 32},
            "federation": {"rounds": ROUNDS, "local_steps": STEPS, "measure_every": ROUNDS + 1},
            "data": {"train": stores},
            "threads": 2,
            "out": scratch / "run",
        }
    )
    simulate_federation(config, lambda done, total, line: None)
    rounds = [line["seconds"] for line in read_metrics(config.out / "metrics.jsonl")]
    alone = _steps_alone(config, stores[0], scratch)
    overhead = (float(np.median(rounds[1:])) - SITES * alone) / SITES
    size = sum(path.stat().st_size for path in (config.out / "bundle").glob("*.safetensors"))
    shutil.rmtree(config.out)
    yield Row(
        f"in-process federation, {SITES} sites, tiny",
        f"{1000 * float(np.median(rounds[1:])) / SITES:.0f} ms a site and round of {STEPS} steps",
        f"the same steps without a federation: {1000 * alone:.0f} ms",
        f"{1000 * overhead:.0f} ms overhead",
        "50 ms",
        f"{size / 1e6:.1f} MB of encoder each way, {3 * size / 1e6:.1f} MB of optimiser state kept at the site",
    )


def _sites(scratch: Path, archive: Path) -> list[Path]:
    """The records of the archive, divided among several stores."""
    store = open_store(store_of(scratch, archive))
    for index in range(SITES):
        rows = np.arange(index, len(store), SITES)
        names = {"record": list(store.records[rows]), "patient": [f"{index}-{code}" for code in store.patients[rows]]}
        write_store(
            scratch / f"site{index}",
            cohort=f"site{index}",
            profile=store.profile,
            signals=store.gather(rows),
            records=names,
        )
    return [scratch / f"site{index}" for index in range(SITES)]


def _steps_alone(config: RunConfig, store: Path, scratch: Path) -> float:
    """Median seconds that the steps of one round take without a federation."""
    torch.set_num_threads(2)
    cohorts = open_cohorts([store], config.split, scratch / "splits")
    bench = Workbench(config.pretraining, "alone", cohorts, config.federation.steps, torch.device("cpu"))
    times = []
    for number in range(ROUNDS):
        begin = perf_counter()
        for _ in bench.train(number * STEPS, (number + 1) * STEPS):
            pass
        times.append(perf_counter() - begin)
    return float(np.median(times[1:]))
