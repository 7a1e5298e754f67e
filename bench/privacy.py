"""A private step compared with a plain one over the same number of patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.ingest import store_of
from bench.row import Row, alternate, wait
from cape_fed.pretrain.cohorts import Cohort
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.workbench import Workbench
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.gradient import PrivateGradient
from cape_fed.privacy.roster import freeze_roster
from cape_fed.privacy.sampler import BlockSampler
from cape_fed.privacy.source import PrivateSource
from cape_fed.store.split import split_patients
from cape_fed.store.store import Store, open_store

STEPS, REPEATS = 3, 5


def measure(scratch: Path, archive: Path) -> Iterator[Row]:
    store = open_store(store_of(scratch, archive))
    device = choose_device("auto")
    model, pairs = ("base", 256) if device.type == "cuda" else ("tiny", 96)
    config = PretrainConfig.model_validate({"model": model, "train": {"pairs": pairs}})
    for block in (4, 8):
        private, plain = alternate(
            private_loop(config, store, device, block), plain_loop(config, store, device), REPEATS
        )
        yield Row(
            f"private step, {model}, {pairs} patients in blocks of {block}",
            f"{1000 * private / STEPS:.0f} ms: store, augmentation, blocks, clip, noise, step",
            f"plain step on {pairs} pairs: {1000 * plain / STEPS:.0f} ms",
            f"{private / plain:.2f} times",
            "at most 1.3 times",
            "a pass forward and back over the same recordings",
        )


class Whole(BlockSampler):
    """As many blocks in every step as make up ``patients``: the time of a step is not to depend on a draw."""

    patients = 96

    def draw(self, cohort: int) -> NDArray[np.int64]:
        count = self.patients // self.block
        return self.rng.choice(len(self.cohorts[cohort]), count * self.block, replace=False).reshape(count, self.block)


def private_loop(config: PretrainConfig, store: Store, device: torch.device, block: int) -> Callable[[], None]:
    """A function that takes the next private steps, from the store to the update."""
    cohort = Cohort(store, split_patients(store, 0))
    roster = freeze_roster([store], {store.cohort: cohort.split}, np.random.default_rng(0))
    privacy = PrivacyConfig(mode="patient", block=block)
    source = PrivateSource([store], roster, privacy, 1.0, "both")
    drawn = source.batching
    whole = Whole(drawn.cohorts, block, privacy.sample_rate, 1)
    whole.patients = config.train.pairs
    source.__dict__["batching"] = whole
    return _loop(Workbench(config, "bench", [cohort], 100_000, device, source=source), device)


def plain_loop(config: PretrainConfig, store: Store, device: torch.device) -> Callable[[], None]:
    """The same without privacy."""
    cohort = Cohort(store, split_patients(store, 0))
    return _loop(Workbench(config, "bench", [cohort], 100_000, device), device)


def _loop(bench: Workbench, device: torch.device) -> Callable[[], None]:
    starts = iter(range(0, 100_000, STEPS))

    def loop() -> None:
        start = next(starts)
        for _ in bench.train(start, start + STEPS):
            pass
        wait(device)

    return loop


def made_up_pairs(count: int, samples: int, device: torch.device) -> Pairs:
    """Pairs of recordings that nobody has, ``[count, 12, samples]``."""
    rng = np.random.default_rng(0)
    sides = [torch.from_numpy(rng.normal(0, 300, (count, 12, samples)).astype(np.int16)).to(device) for _ in range(2)]
    valid = torch.full((count,), samples, device=device)
    patients = torch.arange(count, device=device)
    return Pairs((sides[0], valid), (sides[1], valid), patients, torch.zeros_like(patients))


def private_learner(config: PretrainConfig, fs: int, device: torch.device, block: int, noise: float = 1.0) -> Learner:
    """A learner whose steps are private, without a store."""
    learner = Learner(config, fs, "bench", device)
    learner.gradient = PrivateGradient(learner, PrivacyConfig(mode="patient", block=block), noise, 1000)
    return learner
