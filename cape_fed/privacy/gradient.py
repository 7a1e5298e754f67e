"""The gradient of a private step: each block's alone, clipped over encoder and head together, summed, with noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.feed import Pairs, View
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.objective import nt_xent
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.entropy import Noise, system_generator
from cape_fed.privacy.fitness import check_private_module

Blocks = tuple[Tensor, Tensor]
"""Augmented recordings of blocks ``[B, 2, V, k, 12, T]`` in mV, first and second views, and valid samples."""
Gradients = list[Tensor]
"""One tensor a parameter, ``[B, ...]``: the gradient of every block."""
BlockGradients = Callable[["Contrast", Blocks], Gradients]
_CHUNK = 2**25
"""Numbers that the gradients of the blocks of one chunk take together."""
_SAMPLES = 512
"""Recordings of one chunk."""
_MARGIN = 1e-6
"""By how much a clipped gradient stays below the bound, for the rounding of float32."""


class Contrast(nn.Module):
    """Encoder, head and objective as one function of one block: what is clipped is the gradient of all of it."""

    def __init__(self, encoder: nn.Module, head: nn.Module, config: PretrainConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.temperature = config.objective.temperature
        self.precision = config.precision

    def forward(self, ecg: Tensor, valid: Tensor) -> Tensor:
        """The mean over V of the NT-Xent of k pairs, from ``[2, V, k, 12, T]`` mV and ``[2, V, k]`` valid samples."""
        _, views, patients = valid.shape
        with torch.autocast(ecg.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            z = self.head(self.encoder(ecg.flatten(0, 2), valid.flatten()))
        z = z.float().reshape(2, views, patients, -1)
        groups = torch.arange(patients, device=ecg.device).repeat(2)
        losses = [
            nt_xent(pairs := z[:, view].flatten(0, 1), pairs, groups, groups, 0, self.temperature)
            for view in range(views)
        ]
        return torch.stack(losses).mean()


def loop_gradients(model: Contrast, blocks: Blocks) -> Gradients:
    """The obvious way: one backward pass a block."""
    parameters = list(model.parameters())
    found = [torch.autograd.grad(model(ecg, valid), parameters) for ecg, valid in zip(*blocks, strict=True)]
    return [torch.stack(column) for column in zip(*found, strict=True)]


def vmap_gradients(model: Contrast, blocks: Blocks) -> Gradients:
    """All blocks in one pass, for devices on which many small passes are slow."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(parameters: dict[str, Tensor], ecg: Tensor, valid: Tensor) -> Tensor:
        value: Tensor = functional_call(model, parameters, (ecg, valid))
        return value

    found: dict[str, Tensor] = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, *blocks)
    return [found[name] for name in parameters]


def clipped_sum(gradients: Gradients, bound: float) -> list[Tensor]:
    """The sum over blocks of their gradients, each scaled down to ``bound`` as one vector; not finite ones count 0."""
    flat = [gradient.flatten(1) for gradient in gradients]
    norms = torch.stack([gradient.double().square().sum(dim=1) for gradient in flat]).sum(dim=0).sqrt()
    counts = norms.isfinite()
    factors = torch.where(counts, (bound / (norms * (1 + _MARGIN))).clamp(max=1.0), 0.0).float()
    return [
        (factors @ torch.where(counts[:, None], gradient, 0.0)).view(full.shape[1:])
        for gradient, full in zip(flat, gradients, strict=True)
    ]


class PrivateGradient:
    """A gradient source: only what it puts into ``grad`` reaches the optimiser, and that has its noise."""

    def __init__(
        self,
        learner: Learner,
        privacy: PrivacyConfig,
        noise_multiplier: float,
        blocks: int,
        gradients: BlockGradients | None = None,
    ) -> None:
        """``blocks`` is M, the number of blocks that all slots make. InputError for a module that mixes patients."""
        self.model = Contrast(learner.encoder, learner.head, learner.config)
        check_private_module(self.model)
        self.augmentation: Augmentation = learner.augmentation
        self.device = learner.device
        self.privacy = privacy
        self.deviation = noise_multiplier * privacy.clip
        self.denominator = privacy.sample_rate * blocks
        self.gradients = gradients or (loop_gradients if self.device.type == "cpu" else vmap_gradients)

    def backward(self, pairs: Pairs, step: int) -> Tensor:
        """See `GradientSource.backward`; the loss is NaN, since nothing is to be computed from the real one."""
        total = [torch.zeros_like(parameter) for parameter in self.model.parameters()]
        for blocks in self._chunks(pairs):
            for part, added in zip(
                total, clipped_sum(self.gradients(self.model, blocks), self.privacy.clip), strict=True
            ):
                part += added
        self.release(total)
        return torch.full((), float("nan"), device=self.device)

    def release(self, total: Sequence[Tensor]) -> None:
        """Add noise to the clipped sum, divide by the constant qM, and hand the outcome to the parameters."""
        noise = Noise(self.device)
        for parameter, part in zip(self.model.parameters(), total, strict=True):
            noisy = part.add_(noise.like(part), alpha=self.deviation).div_(self.denominator)
            parameter.grad = noisy if parameter.grad is None else parameter.grad + noisy

    def _chunks(self, pairs: Pairs) -> Iterator[Blocks]:
        """The blocks of a step, augmented, a few at a time."""
        views, block = self.privacy.views, self.privacy.block
        count = len(pairs.group) // (views * block)
        size = sum(parameter.numel() for parameter in self.model.parameters())
        chunk = max(1, min(_CHUNK // size, _SAMPLES // (2 * views * block)))
        generator = system_generator(self.device)
        for begin in range(0, count, chunk):
            part = slice(begin * views * block, (begin + chunk) * views * block)
            sides = [self._augmented(view, part, generator) for view in (pairs.first, pairs.second)]
            ecg, valid = (torch.stack(both, dim=1) for both in zip(*sides, strict=True))
            yield ecg, valid

    def _augmented(self, view: View, part: slice, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        ecg, valid = self.augmentation(view[0][part], view[1][part], generator)
        shape = (-1, self.privacy.views, self.privacy.block)
        return ecg.reshape(*shape, *ecg.shape[1:]), valid.reshape(shape)
