"""An encoder with its projection head, trained one step at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.distributed import Processes
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.initial import weights_from
from cape_fed.pretrain.objective import ProjectionHead
from cape_fed.pretrain.stages.gradient import ContrastiveGradient, GradientSource
from cape_fed.pretrain.stages.optimiser import build_optimiser, learning_rate, set_learning_rate
from cape_fed.pretrain.stages.transforms import ClipNorm, MeanOverProcesses, Transform
from cape_fed.seeds import derive_seed


class Learner:
    """Composes the stages of a step: gradient source, transforms, optimiser.

    What a step does depends on its number and on the seed, not on earlier draws.
    """

    def __init__(
        self, config: PretrainConfig, fs: int, name: str, device: torch.device, processes: Processes | None = None
    ) -> None:
        """``name`` keeps the draws of sites apart; a central run has a name of its own."""
        self.config = config
        self.device = device
        self.processes = processes or Processes()
        self.encoder = build_encoder(config.encoder_config, derive_seed(config.seed, "encoder")).to(device)
        self.head = _build_head(config, self.encoder.config.dim, name).to(device)
        self.augmentation = Augmentation(config.augment, fs)
        self.optimiser = build_optimiser(config.train, self.parameters())
        self.gradient: GradientSource = ContrastiveGradient(
            self.encoder,
            self.head,
            self.augmentation,
            objective=config.objective,
            precision=config.precision,
            seed=config.seed,
            name=name,
            device=device,
            processes=self.processes,
        )
        self.transforms: Sequence[Transform] = ()
        """What a federated method does to the gradients of this process, before they are averaged and clipped."""

    def step(self, pairs: Pairs, step: int, total: int) -> Tensor:
        """One update on this process's part of batch number ``step`` of ``total``; returns the loss (0-d, float32)."""
        set_learning_rate(self.optimiser, learning_rate(self.config.train, step, total))
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.gradient.backward(pairs, step)
        for transform in (*self.transforms, *self._common_transforms()):
            transform.apply()
        self.optimiser.step()
        return self.processes.mean(loss)

    def parameters(self) -> list[nn.Parameter]:
        """Encoder and head parameters in a fixed order."""
        return [*self.encoder.parameters(), *self.head.parameters()]

    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """The encoder's parameters by name, in a fixed order: what a federated method may work on."""
        return dict(self.encoder.named_parameters())

    def _common_transforms(self) -> list[Transform]:
        """Transforms that every step ends with, whatever the federated method."""
        parameters = self.parameters()
        transforms: list[Transform] = [MeanOverProcesses(parameters, self.processes)]
        if self.config.train.clip_norm is not None:
            transforms.append(ClipNorm(parameters, self.config.train.clip_norm))
        return transforms


def _build_head(config: PretrainConfig, dim: int, name: str) -> ProjectionHead:
    with weights_from(derive_seed(config.seed, "head", name)):
        return ProjectionHead(dim, config.objective.hidden, config.objective.projection)
