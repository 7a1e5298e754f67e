"""From the sites' changes to the next encoder: clipped, combined as the method says, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.errors import RunError
from cape_fed.federation.tensors import euclidean_norm
from cape_fed.federation.update import Changes, Update
from cape_fed.methods.registry import AnyMethod
from cape_fed.pretrain.norm import is_statistic


class Aggregator:
    """Applies the updates of a round to the encoder."""

    def __init__(self, method: AnyMethod, *, clip: bool) -> None:
        """``clip`` scales updates down to the median norm."""
        self.method = method
        self.clip = clip

    def aggregate(
        self, number: int, encoder: Mapping[str, Tensor], updates: Sequence[Update], sites: int
    ) -> dict[str, Tensor]:
        """The encoder after round ``number``; ``updates`` in the order of site names, at least one.

        ``sites`` is the number of all training sites, asked or not. RunError where the outcome is not finite, as from a
        learning rate of the coordinator that is too high.
        """
        clipped = clip_to_median(updates) if self.clip else list(updates)
        weighed = self.method.weigh(encoder, clipped)
        # BatchNorm's statistics are averaged and never enter an optimiser of the coordinator.
        learned = {name: value for name, value in encoder.items() if not is_statistic(name)}
        changes = self.method.combine(number, learned, weighed) | _mean_statistics(weighed)
        with np.errstate(over="ignore"):  # infinity is looked for below
            after = {
                name: torch.from_numpy((value.detach().cpu().numpy() + changes[name]).astype(np.float32))
                for name, value in encoder.items()
            }
        if not all(bool(torch.isfinite(value).all()) for value in after.values()):
            raise RunError(f"round {number}: the encoder is not finite: lower federation.options.learning_rate")
        self.method.conclude(self._clip_extra(updates), sites)
        return after

    def state(self) -> dict[str, Tensor]:
        """What the method keeps between rounds, as tensors."""
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in self.method.state().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where `state` was taken."""
        self.method.load_state({name: value.numpy() for name, value in state.items()})

    def _clip_extra(self, updates: Sequence[Update]) -> list[Update]:
        """The updates with the share by which what belongs to the method is no longer than its median norm.

        All of it counts where updates are not clipped.
        """
        sent = [update for update in updates if update.extra]
        if not self.clip or not sent:
            return sent
        factors = _factors([update.extra for update in sent])
        return [replace(update, share=factor) for update, factor in zip(sent, factors, strict=True)]


def clip_to_median(updates: Sequence[Update]) -> list[Update]:
    """Scale every update whose norm is above the median one down to it."""
    factors = _factors([update.changes for update in updates])
    return [
        replace(update, changes=_scaled(update.changes, factor))
        for update, factor in zip(updates, factors, strict=True)
    ]


def _factors(changes: Sequence[Changes]) -> list[float]:
    norms = [euclidean_norm(arrays) for arrays in changes]
    bound = float(np.median(norms))
    return [1.0 if norm <= bound else bound / norm for norm in norms]


def _scaled(changes: Changes, factor: float) -> Changes:
    return changes if factor == 1.0 else {name: value * factor for name, value in changes.items()}


def _mean_statistics(updates: Sequence[Update]) -> dict[str, NDArray[np.float64]]:
    """The mean change of BatchNorm's running statistics, weighted by patients."""
    total = sum(update.weight for update in updates)
    return {
        name: sum((update.weight / total * update.changes[name] for update in updates), np.zeros(()))
        for name in updates[0].changes
        if is_statistic(name)
    }
