"""The training step against a bare loop over a tensor in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.ingest import store_of
from bench.row import Row, alternate
from cape_fed.pretrain.cohorts import Cohort
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.objective import pair_loss
from cape_fed.pretrain.workbench import Workbench, choose_device
from cape_fed.store.split import split_patients
from cape_fed.store.store import open_store

STEPS, REPEATS = 6, 5


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    store = open_store(store_of(scratch, archive))
    device = choose_device("auto")
    model, pairs = ("base", 256) if device.type == "cuda" else ("tiny", 96)
    cohort = Cohort(store, split_patients(store, 0))
    for precision in ("float32", "bfloat16"):
        config = PretrainConfig.model_validate({"model": model, "train": {"pairs": pairs}, "precision": precision})
        bare, flops = bare_loop(config, store.millivolts(np.arange(len(store))), device)
        here, reference = alternate(our_loop(config, cohort, device), bare, REPEATS)
        yield Row(
            f"training step, {model}, {pairs} pairs, {precision}",
            f"{1000 * here / STEPS:.0f} ms: store, augmentation, step",
            f"bare loop on a tensor in memory, no augmentation: {1000 * reference / STEPS:.0f} ms",
            f"{100 * reference / here:.0f} %",
            "95 %",
            f"{flops / 1e9:.1f} GFLOP a step",
        )


def our_loop(config: PretrainConfig, cohort: Cohort, device: torch.device) -> Callable[[], None]:
    """The next steps of a run, from the store to the update."""
    bench = Workbench(config, "bench", [cohort], 10_000, device)
    starts = iter(range(0, 10_000, STEPS))

    def loop() -> None:
        start = next(starts)
        for _ in bench.train(start, start + STEPS):
            pass
        _wait(device)

    return loop


def bare_loop(config: PretrainConfig, signals: np.ndarray, device: torch.device) -> tuple[Callable[[], None], int]:
    """The least one could do: slice, encode, contrast, update; with the FLOPs of one step."""
    learner = Learner(config, 100, "bare", device)
    length = round(config.augment.crop * signals.shape[-1])
    data = torch.from_numpy(signals[:, :, :length].copy()).to(device)
    groups = torch.arange(config.train.pairs, device=device)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        rows = torch.randperm(len(data), generator=generator)[: 2 * config.train.pairs].to(device)
        learner.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            z = learner.head(learner.encoder(data[rows]))
        pair_loss(z[: config.train.pairs], z[config.train.pairs :], groups, config.objective.temperature).backward()
        learner.optimiser.step()

    with FlopCounterMode(display=False) as counter:
        step()

    def loop() -> None:
        for _ in range(STEPS):
            step()
        _wait(device)

    return loop, counter.get_total_flops()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
