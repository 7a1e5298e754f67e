"""A learner with the data it learns from: what a central run and a site have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Protocol

import torch

from cape_fed.pretrain.cohorts import Cohort, common_profile, split_stores
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.distributed import Processes
from cape_fed.pretrain.feed import Feed
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.monitor import Monitor
from cape_fed.pretrain.stages.batching import Batching, make_batching
from cape_fed.pretrain.stages.gradient import GradientSource
from cape_fed.store.split import Split
from cape_fed.store.store import Store


class Source(Protocol):
    """Where the batches and gradients of a place come from, in place of the configured batching and its loss."""

    @property
    def batching(self) -> Batching:
        """The batches; no step is asked for twice."""
        ...

    def gradient(self, learner: Learner) -> GradientSource:
        """What makes gradients of the batches for a learner."""
        ...


class Workbench:
    """Learner, feed and monitor of one place, named after it."""

    def __init__(
        self,
        config: PretrainConfig,
        name: str,
        cohorts: Sequence[Cohort],
        steps: int,
        device: torch.device,
        processes: Processes | None = None,
        source: Source | None = None,
    ) -> None:
        """``steps`` is the length of the run, over which the learning rate and the order of batches are laid out.

        ``source`` takes the place of the batching and of the gradient that the configuration describes.
        """
        processes = processes or Processes()
        self.steps = steps
        self.cohorts = cohorts
        self.pairs = [cohort.pairs(config) for cohort in cohorts]
        stores = [cohort.store for cohort in cohorts]
        self._source = source
        self._build_learner = partial(Learner, config, common_profile(stores).fs, name, device, processes)
        self.learner = self._new_learner()
        if source is None:
            batching = make_batching(config.batching, self.pairs, config.train.pairs, steps, config.seed)
            self.feed = Feed(stores, batching, device, processes.share(config.train.pairs))
        else:
            self.feed = Feed(stores, source.batching, device)

    @cached_property
    def monitor(self) -> Monitor:
        """Built when something is first measured: it reads the validation patients' signals."""
        rows = [cohort.split.valid for cohort in self.cohorts]
        learner = self.learner
        return Monitor(self.feed.stores, rows, learner.augmentation, learner.config.seed, learner.device)

    def train(self, start: int, stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Take the steps ``start .. stop``, yielding each with its loss, still on the device."""
        for step, pairs in self.feed.stream(start, stop):
            yield step, self.learner.step(pairs, step, self.steps)

    def measure(self) -> dict[str, float]:
        """Label-free monitors of the encoder as it is."""
        return self.monitor.measure(self.learner.encoder)

    def renew_learner(self) -> None:
        """Begin again with the seed's own weights and an optimiser that remembers nothing."""
        self.learner = self._new_learner()

    def _new_learner(self) -> Learner:
        learner = self._build_learner()
        if self._source is not None:
            learner.gradient = self._source.gradient(learner)
        return learner

    def pair_kinds(self) -> dict[str, float]:
        """For every cohort, the share of pairs made of two records of a patient; the rest are two views of one."""
        return {pairs.name: pairs.share_with_several for pairs in self.pairs}


def check_batches(stores: Sequence[Store], config: PretrainConfig, given: Mapping[str, Split] | None = None) -> None:
    """InputError where the training patients of stores that batch together do not fill a batch; writes nothing.

    ``given`` are splits by cohort name that take the place of those that the configuration would make.
    """
    splits = split_stores(stores, config.split) | dict(given or {})
    require_full_batches([Cohort(store, splits[store.cohort]) for store in stores], config)


def require_full_batches(cohorts: Sequence[Cohort], config: PretrainConfig) -> None:
    """InputError where the training patients of cohorts that batch together do not fill a batch."""
    make_batching(config.batching, [cohort.pairs(config) for cohort in cohorts], config.train.pairs, 1, config.seed)
