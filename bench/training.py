"""The training step compared with a bare loop over a tensor in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.ingest import store_of
from bench.row import Row, alternate, wait
from cape_fed.pretrain.cohorts import Cohort
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.objective import nt_xent
from cape_fed.pretrain.workbench import Workbench
from cape_fed.store.split import split_patients
from cape_fed.store.store import Store, open_store

STEPS, REPEATS = 6, 5


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    store = open_store(store_of(scratch, archive))
    device = choose_device("auto")
    model, pairs = ("base", 256) if device.type == "cuda" else ("tiny", 96)
    cohort = Cohort(store, split_patients(store, 0))
    for precision in ("float32", "bfloat16"):
        config = PretrainConfig.model_validate({"model": model, "train": {"pairs": pairs}, "precision": precision})
        for augmented in (True, False):
            bare, flops = bare_loop(config, store, device, augmented=augmented)
            here, reference = alternate(our_loop(config, cohort, device), bare, REPEATS)
            yield Row(
                f"training step, {model}, {pairs} pairs, {precision}",
                f"{1000 * here / STEPS:.0f} ms: store, augmentation, step",
                f"bare loop on a tensor in memory, {'same' if augmented else 'no'} augmentation: "
                f"{1000 * reference / STEPS:.0f} ms",
                f"{100 * reference / here:.0f} %",
                "95 %",
                f"{flops / 1e9:.1f} GFLOP a step",
            )


def our_loop(config: PretrainConfig, cohort: Cohort, device: torch.device) -> Callable[[], None]:
    """A function that takes the next steps of a run, from the store to the update."""
    bench = Workbench(config, "bench", [cohort], 10_000, device)
    starts = iter(range(0, 10_000, STEPS))

    def loop() -> None:
        start = next(starts)
        for _ in bench.train(start, start + STEPS):
            pass
        wait(device)

    return loop


def bare_loop(
    config: PretrainConfig, store: Store, device: torch.device, *, augmented: bool
) -> tuple[Callable[[], None], int]:
    """A function that only slices, encodes, contrasts and updates, and the FLOPs of one of its steps."""
    learner = Learner(config, 100, "bare", device)
    length = round(config.augment.crop * store.profile.samples)
    rows = torch.from_numpy(store.gather(np.arange(len(store)))).to(device)
    cropped = rows[:, :, :length].float() / 1000
    groups = torch.arange(config.train.pairs, device=device).repeat(2)
    valid = torch.full((2 * config.train.pairs,), store.profile.samples, device=device)
    generator, on_device = torch.Generator().manual_seed(0), torch.Generator(device).manual_seed(0)

    def step() -> None:
        chosen = torch.randperm(len(rows), generator=generator)[: len(groups)].to(device)
        ecg = learner.augmentation(rows[chosen], valid, on_device)[0] if augmented else cropped[chosen]
        learner.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
            z = learner.head(learner.encoder(ecg))
        nt_xent(z, z, groups, groups, 0, config.objective.temperature).backward()
        learner.optimiser.step()

    with FlopCounterMode(display=False) as counter:
        step()

    def loop() -> None:
        for _ in range(STEPS):
            step()
        wait(device)

    return loop, counter.get_total_flops()
