"""One optimiser step at a time on an encoder with its projection head."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi

import torch
from torch import Tensor, nn

from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import PretrainConfig, TrainConfig
from cape_fed.pretrain.distributed import Processes
from cape_fed.pretrain.encoder import SIZES, build_encoder, encoder_config
from cape_fed.pretrain.feed import Pairs
from cape_fed.pretrain.initial import weights_from
from cape_fed.pretrain.objective import ProjectionHead, nt_xent
from cape_fed.seeds import derive_seed


class Learner:
    """Encoder, head and optimiser. What a step does depends on its number and the seed, not on earlier draws."""

    def __init__(
        self, config: PretrainConfig, fs: int, name: str, device: torch.device, processes: Processes | None = None
    ) -> None:
        """``name`` keeps the draws of sites apart; a central run uses its own."""
        self.config = config
        self.name = name
        self.device = device
        self.processes = processes or Processes()
        self.encoder = build_encoder(encoder_config(config), derive_seed(config.seed, "encoder")).to(device)
        self.head = _build_head(config, name).to(device)
        self.augmentation = Augmentation(config.augment, fs)
        self.optimiser = _build_optimiser(config.train, [*self.encoder.parameters(), *self.head.parameters()])
        self._anchor: list[Tensor] = []
        self._pull = 0.0
        self._correction: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._steps = 0

    def hold_to(self, encoder: Mapping[str, Tensor], strength: float) -> None:
        """From here on add ``strength / 2`` times the squared distance from ``encoder`` to the loss; 0 for nothing.

        FedProx (Li et al. 2020), over encoder parameters: the head is the site's own.
        """
        self._pull = strength
        names = [name for name, _ in self.encoder.named_parameters()]
        self._anchor = [encoder[name].to(self.device) for name in names] if strength else []

    def correct_by(self, correction: Mapping[str, Tensor] | None) -> None:
        """From here on add ``correction`` to the encoder parameters' gradients and sum up the raw ones; None: neither.

        SCAFFOLD (Karimireddy et al. 2020), before whatever the optimiser makes of a gradient.
        """
        named = dict(self.encoder.named_parameters()) if correction is not None else {}
        self._correction = [(correction or {})[name].to(self.device) for name in named]
        self._gradients = [torch.zeros_like(parameter) for parameter in named.values()]
        self._steps = 0

    def mean_gradients(self) -> dict[str, Tensor]:
        """Mean raw gradient of each encoder parameter over the steps since `correct_by`, on the CPU."""
        names = [name for name, _ in self.encoder.named_parameters()]
        return {name: (total / max(1, self._steps)).cpu() for name, total in zip(names, self._gradients, strict=True)}

    def step(self, pairs: Pairs, step: int, total: int) -> Tensor:
        """One update on this process's part of batch number ``step`` of ``total``; returns the loss (0-d, float32)."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config.train, step, total)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(pairs, step)
        loss.backward()  # type: ignore[no-untyped-call]
        self._add_pull()
        self._correct()
        self.processes.average_gradients(self.parameters())
        if self.config.train.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.config.train.clip_norm)
        self.optimiser.step()
        return self.processes.mean(loss.detach())

    def _add_pull(self) -> None:
        for parameter, anchor in zip(self.encoder.parameters(), self._anchor, strict=bool(self._anchor)):
            assert parameter.grad is not None
            parameter.grad.add_(parameter.detach() - anchor, alpha=self._pull)

    def _correct(self) -> None:
        """Sum up raw gradients and correct them, where asked for."""
        self._steps += 1
        held = zip(self.encoder.parameters(), self._gradients, self._correction, strict=bool(self._correction))
        for parameter, total, correction in held:
            assert parameter.grad is not None
            total.add_(parameter.grad)
            parameter.grad.add_(correction)

    def loss(self, pairs: Pairs, step: int) -> Tensor:
        """NT-Xent of the batch as this process sees it: its own anchors against everyone's candidates."""
        generator = torch.Generator(self.device)
        generator.manual_seed(derive_seed(self.config.seed, "augment", self.name, step, self.processes.rank))
        views = [self.augmentation(ecg, valid, generator) for ecg, valid in (pairs.first, pairs.second)]
        ecg, valid = (torch.cat(parts) for parts in zip(*views, strict=True))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            z = self.head(self.encoder(ecg, valid))
        anchors = z.float()
        groups = torch.cat([pairs.group, pairs.group])
        candidates, candidate_groups = self.processes.gather_views(anchors), self.processes.gather_views(groups)
        offset = self.processes.rank * len(pairs.group)
        return nt_xent(anchors, candidates, groups, candidate_groups, offset, self.config.objective.temperature)

    def parameters(self) -> list[nn.Parameter]:
        """Encoder and head parameters in a fixed order."""
        return [*self.encoder.parameters(), *self.head.parameters()]


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """Linear warm-up, then a cosine to 0 at ``total``, over the whole run and not over a round."""
    warm = round(config.warmup * total)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * 0.5 * (1 + cos(pi * (step - warm) / max(1, total - warm)))


def _build_head(config: PretrainConfig, name: str) -> ProjectionHead:
    with weights_from(derive_seed(config.seed, "head", name)):
        return ProjectionHead(SIZES[config.model].dim, config.objective.hidden, config.objective.projection)


def _build_optimiser(config: TrainConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
