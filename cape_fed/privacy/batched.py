"""Gradients of many blocks in one pass over all their recordings, instead of one pass a block."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def is_batchable(model: nn.Module) -> bool:
    """Whether `batched_gradients` knows every layer of a model that has parameters."""
    return all(_knows(layer) for layer in model.modules() if _has_parameters(layer))


def batched_gradients(model: nn.Module, losses: Callable[[], Tensor], parameters: list[Tensor]) -> list[Tensor]:
    """The gradient of every block in every parameter, ``[B, ...]``, from ``losses() -> [B]`` of a batchable ``model``.

    Recordings of a block stand together and those of no two blocks meet before the objective. So the gradient of the
    sum of losses in a layer's output is, row by row, that of the row's block; what a block's parameters get of it is
    worked out layer by layer from the block's rows alone (Goodfellow 2015, for blocks in place of samples).

    RuntimeError where a layer is passed twice, KeyError where one is not passed.
    """
    taken: dict[nn.Module, Tensor] = {}
    fronts: list[Tensor] = []
    found: dict[Tensor, Tensor] = {}

    def note(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if layer in taken:
            raise RuntimeError(f"{type(layer).__name__} is passed twice in one pass")
        taken[layer] = given[0]
        if not given[0].requires_grad:
            fronts.append(output)
        output.register_hook(lambda gradient: work_out(layer, gradient))  # type: ignore[no-untyped-call]

    def work_out(layer: nn.Module, gradient: Tensor) -> None:
        # As soon as it can be, so that what a layer was given does not outlast its turn in the pass back.
        found.update(_layer_gradients(layer, taken.pop(layer).detach(), gradient, len(values)))

    handles = [layer.register_forward_hook(note) for layer in model.modules() if _has_parameters(layer)]
    try:
        values = losses()
    finally:
        for handle in handles:
            handle.remove()
    torch.autograd.grad(values.sum(), fronts)  # passes back through every layer that is behind these
    return [found[parameter] for parameter in parameters]


def _has_parameters(layer: nn.Module) -> bool:
    return any(True for _ in layer.parameters(recurse=False))


def _knows(layer: nn.Module) -> bool:
    if type(layer) is nn.Conv1d:
        plain = layer.groups == 1 and layer.dilation == (1,) and layer.padding_mode == "zeros"
        return plain and not isinstance(layer.padding, str)
    return type(layer) in (nn.Linear, nn.GroupNorm)


def _layer_gradients(layer: nn.Module, given: Tensor, gradient: Tensor, blocks: int) -> dict[Tensor, Tensor]:
    given = given.to(gradient.dtype)
    if isinstance(layer, nn.Linear):
        weight = _by_block(gradient, blocks).transpose(1, 2) @ _by_block(given, blocks)
    elif isinstance(layer, nn.Conv1d):
        weight = _convolution(layer, given, gradient, blocks)
    else:
        assert isinstance(layer, nn.GroupNorm)
        weight = _by_block(_scaled(layer, given.float(), gradient.float()), blocks).sum(dim=1)
    found = {layer.weight: weight.float()}
    if layer.bias is not None:
        over = gradient.float().sum(dim=2) if gradient.dim() == 3 else gradient.float()
        found[layer.bias] = _by_block(over, blocks).sum(dim=1)
    return found


def _by_block(rows: Tensor, blocks: int) -> Tensor:
    return rows.reshape(blocks, -1, *rows.shape[1:])


def _convolution(layer: nn.Conv1d, given: Tensor, gradient: Tensor, blocks: int) -> Tensor:
    """Weight gradients ``[B, out, in, K]``: a few matrix products over all recordings of a block.

    The recordings of a block are laid end to end, sample after sample with all channels, with zeros between them. So
    what the kernel sees at a position is one stretch of that line, and what it sees at positions that are so far apart
    that these stretches do not overlap is a matrix whose rows are views of it. With K / stride such matrices all
    positions are seen, and nothing is copied K times.
    """
    (kernel,), (stride,), padding = layer.kernel_size, layer.stride, int(layer.padding[0])
    samples, positions = given.shape[-1], gradient.shape[-1]
    apart = -(-kernel // stride)
    rows = -(-max(positions, -(-(samples + 2 * padding) // stride)) // apart)
    line = _lines(given, blocks, padding, rows * apart * stride, spare=kernel)
    channels, made = given.shape[1], gradient.shape[1]
    sent = _lines(gradient, blocks, 0, rows * apart).view(blocks, -1, apart, made)
    found = sent.new_empty(blocks, made, kernel * channels, dtype=torch.float32)
    shape, strides = (blocks, sent.shape[1], kernel * channels), (line.stride(0), apart * stride * channels, 1)
    for first in range(apart):
        seen = line.as_strided(shape, strides, first * stride * channels)
        received = sent[:, :, first].transpose(1, 2)
        if sent.dtype == found.dtype:
            found.baddbmm_(received, seen, beta=min(first, 1))
        elif first:  # sums in less than float32 would be rounded each time
            found += torch.bmm(received, seen)
        else:
            found.copy_(torch.bmm(received, seen))
    return found.view(blocks, made, kernel, channels).transpose(2, 3)


def _lines(rows: Tensor, blocks: int, begin: int, length: int, spare: int = 0) -> Tensor:
    """Rows ``[N, C, T]`` as ``[B, n * length + spare, C]``: a stretch each, from ``begin`` on, and zeros around it."""
    by_block = _by_block(rows, blocks)
    recordings, channels = by_block.shape[1:3]
    lines = rows.new_empty(blocks, recordings * length + spare, channels)
    stretches = lines[:, : recordings * length].view(blocks, recordings, length, channels)
    end = begin + rows.shape[-1]
    stretches[:, :, begin:end] = by_block.transpose(2, 3)
    for gap in (stretches[:, :, :begin], stretches[:, :, end:], lines[:, recordings * length :]):
        gap.zero_()
    return lines


def _scaled(layer: nn.GroupNorm, given: Tensor, gradient: Tensor) -> Tensor:
    """Per row and channel, the sum over time of the gradient times the normalised input."""
    normed = torch.nn.functional.group_norm(given, layer.num_groups, eps=layer.eps)
    return (gradient * normed).sum(dim=2)
