"""The gradient of a private step: each block's alone, clipped over encoder and head together, summed, with noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import vmap

from cape_fed.errors import InputError
from cape_fed.parts import parts_of
from cape_fed.pretrain.augment import Augmentation
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.feed import Pairs, View
from cape_fed.pretrain.float32 import without_tf32
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.objective import nt_xent
from cape_fed.privacy.batched import batched_gradients, is_batchable
from cape_fed.privacy.config import PrivacyConfig
from cape_fed.privacy.entropy import Noise, system_generator
from cape_fed.privacy.fitness import check_private_module

Blocks = tuple[Tensor, Tensor]
"""Augmented recordings of blocks ``[B, 2, V, k, 12, T]`` in mV, first and second views, and valid samples."""
Gradients = list[Tensor]
"""One tensor a parameter, ``[B, ...]``: the gradient of every block."""
BlockGradients = Callable[["Contrast", Blocks], Gradients]
_CHUNK, _CHUNK_CPU = 2**28, 2**23
"""Numbers that the gradients of the blocks of one chunk take together: what fits a cache is quicker on a CPU."""
_SAMPLES = 512
"""Recordings of one chunk."""
_TOLERANCE = 0.01
"""How far apart two ways to a gradient are for their rounding at most, over its length."""
_PIECE = 1024
_MARGIN = 5e-5
"""By how much a clipped gradient stays below the bound: more than summing `_PIECE` squares in float32 can be off."""


class Contrast(nn.Module):
    """Encoder, head and objective as one function of one block: what is clipped is the gradient of all of it."""

    def __init__(self, encoder: nn.Module, head: nn.Module, config: PretrainConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.temperature = config.objective.temperature
        self.precision = config.precision

    def forward(self, ecg: Tensor, valid: Tensor) -> Tensor:
        """Every block's mean over V of the NT-Xent of its k pairs, ``[B]``: see `Blocks` for the shapes."""
        blocks, _, views, patients = valid.shape
        with torch.autocast(ecg.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            z = self.head(self.encoder(ecg.flatten(0, 3), valid.flatten()))
        pairs = z.float().reshape(blocks, 2, views, patients, -1).transpose(1, 2).flatten(2, 3)
        groups = torch.arange(patients, device=ecg.device).repeat(2)

        def loss(z: Tensor) -> Tensor:
            return nt_xent(z, z, groups, groups, 0, self.temperature)

        value: Tensor = vmap(vmap(loss))(pairs)
        return value.mean(dim=1)


def loop_gradients(model: Contrast, blocks: Blocks) -> Gradients:
    """The obvious way: one pass forward and back a block."""
    parameters = list(model.parameters())
    found = [
        torch.autograd.grad(model(ecg[None], valid[None]).sum(), parameters) for ecg, valid in zip(*blocks, strict=True)
    ]
    return [torch.stack(column) for column in zip(*found, strict=True)]


def fast_gradients(model: Contrast, blocks: Blocks) -> Gradients:
    """All blocks in one pass; see `find_gradients` for the models with which it may be used."""
    return batched_gradients(model, lambda: model(*blocks), list(model.parameters()))


def find_gradients(model: Contrast, like: Blocks) -> BlockGradients:
    """The fast way where it gives what the loop gives on noise in the shape of ``like``, else the loop.

    So an encoder that uses its parameters in a way of its own is trained right, if more slowly. The two are compared in
    float32: what they would be apart in less says nothing.
    """
    if not is_batchable(model):
        return loop_gradients
    ecg, valid = like
    generator = torch.Generator(ecg.device).manual_seed(0)
    noise = torch.randn(2, *ecg.shape[1:], generator=generator, device=ecg.device)
    blocks = noise, torch.full((2, *valid.shape[1:]), ecg.shape[-1], device=valid.device)
    with _in_float32(model):
        try:
            fast = fast_gradients(model, blocks)
        except (KeyError, RuntimeError):
            return loop_gradients
        slow = loop_gradients(model, blocks)
    floor = _TOLERANCE / 10 * torch.stack([gradient.norm() for gradient in slow]).max()
    apart = [(one - other).norm() - _TOLERANCE * other.norm() for one, other in zip(fast, slow, strict=True)]
    return fast_gradients if all(distance <= floor for distance in apart) else loop_gradients


@contextmanager
def _in_float32(model: Contrast) -> Iterator[None]:
    """Compute without bfloat16 and without TF32."""
    precision, model.precision = model.precision, "float32"
    try:
        with without_tf32():
            yield
    finally:
        model.precision = precision


def clipped_sum(gradients: Gradients, bound: float) -> list[Tensor]:
    """The sum over blocks of their gradients, each scaled down to ``bound`` as one vector; not finite ones count 0.

    What is not finite is set to 0 in ``gradients`` themselves. ``bound`` is `LEAST_CLIP` or more: squares that float32
    takes for 0 are then of no account.
    """
    flat = [gradient.permute(_order(gradient)).flatten(1) for gradient in gradients]
    norms = torch.stack([_squares(rows) for rows in flat]).sum(dim=0).sqrt()
    counts = norms.isfinite()
    factors = torch.where(counts, (bound / (norms * (1 + _MARGIN))).clamp(max=1.0), 0.0).float()
    if not counts.all():  # 0 times what is not finite is not 0
        for rows in flat:
            rows.masked_fill_(~counts[:, None], 0.0)
    sums = [factors @ rows for rows in flat]
    return [_as_one_of(gradient, total) for gradient, total in zip(gradients, sums, strict=True)]


def _order(gradients: Tensor) -> list[int]:
    """The dimensions of ``[B, ...]`` as they lie in memory, so that to flatten them copies nothing."""
    return [0, *sorted(range(1, gradients.dim()), key=gradients.stride, reverse=True)]


def _as_one_of(gradients: Tensor, flat: Tensor) -> Tensor:
    """A flat tensor in that order in the shape of one block's."""
    order = [dimension - 1 for dimension in _order(gradients)[1:]]
    shape = gradients.shape[1:]
    return flat.view([shape[dimension] for dimension in order]).permute([order.index(i) for i in range(len(order))])


def _squares(rows: Tensor) -> Tensor:
    """Squared norms ``[B]`` of ``[B, n]``: pieces are summed in float32, which is fast, and their sums in float64."""
    whole = rows.shape[1] - rows.shape[1] % _PIECE
    pieces = rows[:, :whole].reshape(len(rows), -1, _PIECE), rows[:, None, whole:]
    norms = [torch.linalg.vector_norm(piece, dim=2).double().square().sum(dim=1) for piece in pieces if piece.numel()]
    return torch.stack(norms).sum(dim=0)


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
        """``blocks`` is M, the number of blocks that all slots make.

        InputError for a module that mixes patients, and for noise that float32 has no number for.
        """
        self.model = Contrast(learner.encoder, learner.head, learner.config)
        check_private_module(self.model)
        self.augmentation: Augmentation = learner.augmentation
        self.device = learner.device
        self.privacy = privacy
        self.deviation = noise_multiplier * privacy.clip
        if not torch.finfo(torch.float32).tiny <= self.deviation <= torch.finfo(torch.float32).max:
            raise InputError(f"noise of {noise_multiplier:g} times privacy.clip={privacy.clip:g} is none in float32")
        self.denominator = privacy.sample_rate * blocks
        self.gradients = gradients

    def backward(self, pairs: Pairs, step: int) -> Tensor:
        """See `GradientSource.backward`; the loss is NaN, since nothing is to be computed from the real one."""
        total = [torch.zeros_like(parameter) for parameter in self.model.parameters()]
        for blocks in self._chunks(pairs):
            self.gradients = self.gradients or find_gradients(self.model, blocks)
            clipped = clipped_sum(self.gradients(self.model, blocks), self.privacy.clip)
            for part, added in zip(total, clipped, strict=True):
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
        numbers = _CHUNK_CPU if self.device.type == "cpu" else _CHUNK
        most = max(1, min(numbers // size, _SAMPLES // (2 * views * block)))
        generator = system_generator(self.device)
        for blocks in parts_of(count, most):
            part = slice(blocks.start * views * block, blocks.stop * views * block)
            sides = [self._augmented(view, part, generator) for view in (pairs.first, pairs.second)]
            ecg, valid = (torch.stack(both, dim=1) for both in zip(*sides, strict=True))
            yield ecg, valid

    def _augmented(self, view: View, part: slice, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        ecg, valid = self.augmentation(view[0][part], view[1][part], generator)
        shape = (-1, self.privacy.views, self.privacy.block)
        return ecg.reshape(*shape, *ecg.shape[1:]), valid.reshape(shape)
