"""Where a step's gradient comes from: the contrastive loss of a batch of pairs."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import ObjectiveConfig
from cape_fed.pretrain.distributed import Processes
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.objective import nt_xent
from cape_fed.pretrain.stages.hooks import refuse_per_sample_hooks
from cape_fed.seeds import derive_seed

Precision = Literal["float32", "bfloat16"]


class GradientSource(Protocol):
    """The first stage of a step on a batch."""

    def backward(self, pairs: Pairs, step: int) -> Tensor:
        """Add the gradient of step number ``step`` to every parameter's ``grad``; returns the loss (0-d, detached)."""
        ...


class ContrastiveGradient:
    """The gradient of NT-Xent over two augmented views of every pair.

    The views depend on the seed, the learner's name, the step and the process, and on no earlier draw.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        augmentation: Augmentation,
        *,
        objective: ObjectiveConfig,
        precision: Precision,
        seed: int,
        name: str,
        device: torch.device,
        processes: Processes,
    ) -> None:
        """``name`` keeps the draws of sites apart."""
        self.encoder = encoder
        self.head = head
        self.augmentation = augmentation
        self.objective = objective
        self.precision = precision
        self.seed = seed
        self.name = name
        self.device = device
        self.processes = processes

    def backward(self, pairs: Pairs, step: int) -> Tensor:
        """See `GradientSource.backward`; InputError where per-sample hooks pretend to make it private."""
        refuse_per_sample_hooks((self.encoder, self.head))
        loss = self.loss(pairs, step)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss(self, pairs: Pairs, step: int) -> Tensor:
        """NT-Xent of the batch as this process sees it: its part of the anchors against the candidates of all."""
        generator = torch.Generator(self.device)
        generator.manual_seed(derive_seed(self.seed, "augment", self.name, step, self.processes.rank))
        views = [self.augmentation(ecg, valid, generator) for ecg, valid in (pairs.first, pairs.second)]
        ecg, valid = (torch.cat(parts) for parts in zip(*views, strict=True))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            z = self.head(self.encoder(ecg, valid))
        anchors = z.float()
        groups = torch.cat([pairs.group, pairs.group])
        candidates, candidate_groups = self.processes.gather_views(anchors), self.processes.gather_views(groups)
        offset = self.processes.rank * len(pairs.group)
        tau = self.objective.temperature
        return nt_xent(anchors, candidates, groups, candidate_groups, offset, tau, *self._foreign(pairs))

    def _foreign(self, pairs: Pairs) -> tuple[Tensor | None, float | None]:
        """Which candidates are of another cohort than each anchor, and their temperature; None where it is all one."""
        if self.objective.foreign == "negatives" and self.objective.foreign_temperature is None:
            return None, None
        cohorts = torch.cat([pairs.cohort, pairs.cohort])
        foreign = cohorts[:, None] != self.processes.gather_views(cohorts)[None, :]
        return foreign, None if self.objective.foreign == "masked" else self.objective.foreign_temperature
