"""Label-free signs of how good a representation is, taken on patients that are not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.encoder import Encoder
from cape_fed.pretrain.feed import Feed, Pairs
from cape_fed.pretrain.stages.batching import Batch
from cape_fed.pretrain.stages.pairs import PermutedPairs
from cape_fed.seeds import derive_seed
from cape_fed.store.store import Store

MAX_PATIENTS = 256
MONITORED = frozenset({"alignment", "uniformity_within", "uniformity_between", "rankme", "retrieval"})
"""Names of the numbers that a monitor gives."""


@dataclass(frozen=True, slots=True)
class Views:
    """Two views of every monitored patient of one cohort, fixed for the run."""

    cohort: str
    first: tuple[Tensor, Tensor]
    second: tuple[Tensor, Tensor]


class Monitor:
    """Measures an encoder on fixed pairs: the same numbers for the same weights, whenever asked."""

    def __init__(
        self,
        stores: Sequence[Store],
        rows: Sequence[np.ndarray],
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
    ) -> None:
        """``rows`` are each store's validation rows; a cohort with fewer than two patients there is left out."""
        self.views: list[Views] = []
        for index, (store, own) in enumerate(zip(stores, rows, strict=True)):
            cohort = PermutedPairs(store.cohort, own, store.patients[own], derive_seed(seed, "monitor"))
            if cohort.patients < 2:
                continue
            first, second, group = cohort.draw(0, min(cohort.patients, MAX_PATIENTS))
            feed = Feed(stores, _Fixed(Batch(np.full(len(first), index), first, second, group)), device)
            self.views.append(_views(store.cohort, feed.load(0), augmentation, seed))

    @torch.no_grad()
    def measure(self, encoder: Encoder, least: int = 2) -> dict[str, float]:
        """Alignment, uniformity within and between cohorts, RankMe and same-patient retrieval, means over cohorts.

        A cohort in which fewer than ``least`` patients are monitored is left out; nothing where none remains.
        """
        measured_on = [views for views in self.views if len(views.first[0]) >= least]
        if not measured_on:
            return {}
        encoder.eval()
        raw = [(encoder(*views.first).float(), encoder(*views.second).float()) for views in measured_on]
        encoder.train()
        unit = [(normalize(one, dim=1), normalize(two, dim=1)) for one, two in raw]
        measured = {
            "alignment": _mean([alignment(one, two) for one, two in unit]),
            "uniformity_within": _mean([uniformity(one) for one, _ in unit]),
            "rankme": rankme(torch.cat([one for one, _ in raw])),
            "retrieval": _mean([retrieval(one, two) for one, two in unit]),
        }
        if len(unit) > 1:
            measured["uniformity_between"] = uniformity_between([one for one, _ in unit])
        return measured


def alignment(one: Tensor, two: Tensor) -> float:
    """Mean squared distance of the two views on the unit sphere (Wang and Isola 2020); 0 is best."""
    return float((one - two).square().sum(dim=1).mean())


def uniformity(z: Tensor) -> float:
    """Log of the mean Gaussian potential over distinct pairs of ``[N, d]`` unit vectors (Wang and Isola 2020)."""
    return float(torch.pdist(z).square().mul(-2).exp().mean().log())


def uniformity_between(cohorts: Sequence[Tensor]) -> float:
    """The potential of `uniformity` over pairs from different cohorts; it is far lower where cohorts lie apart."""
    total, count = 0.0, 0
    for index, one in enumerate(cohorts):
        for two in cohorts[index + 1 :]:
            total += float(torch.cdist(one, two).square().mul(-2).exp().sum())
            count += len(one) * len(two)
    return float(np.log(total / count))


def rankme(embeddings: Tensor) -> float:
    """Effective rank of ``[N, D]``: exponential of the entropy of its singular values (Garrido et al. 2023)."""
    values = torch.linalg.svdvals(embeddings.double())
    share = values / values.sum().clamp(min=1e-12) + 1e-12
    return float(torch.exp(-(share * share.log()).sum()))


def retrieval(one: Tensor, two: Tensor) -> float:
    """Share of first views whose nearest second view, within the cohort, is their own patient's."""
    nearest = (one @ two.T).argmax(dim=1)
    return float((nearest == torch.arange(len(one), device=one.device)).float().mean())


class _Fixed:
    """A batching of one batch."""

    def __init__(self, only: Batch) -> None:
        self.only = only

    def batch(self, step: int) -> Batch:
        return self.only


def _views(cohort: str, pairs: Pairs, augmentation: Augmentation, seed: int) -> Views:
    generator = torch.Generator(pairs.group.device)
    generator.manual_seed(derive_seed(seed, "monitor views", cohort))
    first, second = (augmentation(*view, generator) for view in (pairs.first, pairs.second))
    return Views(cohort, first, second)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
