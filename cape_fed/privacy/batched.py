"""Gradients of many blocks in one pass over all their recordings, instead of one pass a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

Taps = dict[nn.Module, tuple[Tensor, Tensor]]
"""Input and output of every layer that has parameters, ``[N, ...]`` each."""


def is_batchable(model: nn.Module) -> bool:
    """Whether `batched_gradients` knows every layer of a model that has parameters."""
    return all(_knows(layer) for layer in model.modules() if _has_parameters(layer))


def batched_gradients(model: nn.Module, losses: Callable[[], Tensor], parameters: list[Tensor]) -> list[Tensor]:
    """The gradient of every block in every parameter, ``[B, ...]``, from ``losses() -> [B]`` of a batchable ``model``.

    Recordings of a block stand together and those of no two blocks meet before the objective. So the gradient of the
    sum of losses in a layer's output is, row by row, that of the row's block; what a block's parameters get of it is
    worked out layer by layer from the block's rows alone (Goodfellow 2015, for blocks in place of samples).
    """
    with _tapped(model) as taps:
        values = losses()
    outputs = [output for _, output in taps.values()]
    sent = torch.autograd.grad(values.sum(), outputs)
    found: dict[Tensor, Tensor] = {}
    for (layer, (given, _)), gradient in zip(taps.items(), sent, strict=True):
        found |= _layer_gradients(layer, given.detach(), gradient, len(values))
    return [found[parameter] for parameter in parameters]


@contextmanager
def _tapped(model: nn.Module) -> Iterator[Taps]:
    """Note what goes in and out of layers in a forward pass, which has to go through each of them once."""
    taps: Taps = {}

    def note(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if layer in taps:
            raise RuntimeError(f"{type(layer).__name__} is passed twice in one pass")
        taps[layer] = given[0], output

    handles: list[RemovableHandle] = [
        layer.register_forward_hook(note) for layer in model.modules() if _has_parameters(layer)
    ]
    try:
        yield taps
    finally:
        for handle in handles:
            handle.remove()


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
    """Weight gradients ``[B, out, in, K]``: one matrix product a place in the kernel, over all recordings of a block.

    The recordings of a block are laid end to end, with zeros between them as long as the kernel reaches, so that the
    input at a place in the kernel is a shifted view of that line. With a stride, every phase of it has a line.
    """
    (kernel,), (stride,), padding = layer.kernel_size, layer.stride, int(layer.padding[0])
    samples, positions = given.shape[-1], gradient.shape[-1]
    length = max(positions + (kernel - 1) // stride, -(-(samples + 2 * padding) // stride))
    received = _lines(given, blocks, padding, length * stride)
    received = received.reshape(*received.shape[:2], -1, stride)
    phases = [received[..., phase].contiguous() for phase in range(stride)] if stride > 1 else [received[..., 0]]
    sent = _lines(gradient, blocks, 0, length).flatten(2)
    found = sent.new_empty(blocks, kernel, sent.shape[1], given.shape[1])
    for place in range(kernel):
        shift, phase = divmod(place, stride)
        seen = phases[phase][..., shift:].transpose(1, 2)
        torch.bmm(sent[..., : sent.shape[-1] - shift], seen, out=found[:, place])
    return found.permute(0, 2, 3, 1)


def _lines(rows: Tensor, blocks: int, begin: int, length: int) -> Tensor:
    """Rows ``[N, C, T]`` as ``[B, C, n, length]``, every one from ``begin`` on and zeros around it."""
    by_block = _by_block(rows, blocks).transpose(1, 2)
    lines = rows.new_zeros(*by_block.shape[:3], length)
    lines[..., begin : begin + rows.shape[-1]] = by_block
    return lines


def _scaled(layer: nn.GroupNorm, given: Tensor, gradient: Tensor) -> Tensor:
    """Per row and channel, the sum over time of the gradient times the normalised input."""
    normed = torch.nn.functional.group_norm(given, layer.num_groups, eps=layer.eps)
    return (gradient * normed).sum(dim=2)
