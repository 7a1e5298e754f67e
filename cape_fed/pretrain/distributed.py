"""The processes of a torchrun group, or the single process of an ordinary run."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Processes:
    """This process's place among those that share a batch; alone unless told otherwise."""

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank = rank
        self.world = world

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks on the terminal."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of ``count`` pairs, which the number of processes divides."""
        part = count // self.world
        return slice(self.rank * part, (self.rank + 1) * part)

    def gather_views(self, rows: Tensor) -> Tensor:
        """``[2m, ...]`` of every process to ``[2M, ...]``: all first views, then all second views; differentiable."""
        if self.world == 1:
            return rows
        parts = _all_gather(rows.contiguous(), self.world)
        halves = [part.chunk(2) for part in parts]
        return torch.cat([half[0] for half in halves] + [half[1] for half in halves])

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.world == 1:
            return
        for parameter in parameters:
            if parameter.grad is not None:
                dist.all_reduce(parameter.grad)
                parameter.grad /= self.world

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a scalar over the processes."""
        if self.world > 1:
            dist.all_reduce(value)
            value = value / self.world
        return value

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.world > 1:
            dist.barrier()


def join_processes(device: torch.device) -> Processes:
    """The group that torchrun described in the environment; a single process outside torchrun."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Processes()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Processes(dist.get_rank(), dist.get_world_size())


def leave_processes() -> None:
    """End this process's part in the group, if it is in one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


class _AllGather(torch.autograd.Function):
    """Gather from every process; the gradient of a part is the sum of what every process found for it."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor, world: int) -> tuple[Tensor, ...]:
        parts = [torch.empty_like(rows) for _ in range(world)]
        dist.all_gather(parts, rows)
        return tuple(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        stacked = torch.stack(gradients)
        dist.all_reduce(stacked)
        return stacked[dist.get_rank()], None


def _all_gather(rows: Tensor, world: int) -> tuple[Tensor, ...]:
    if rows.is_floating_point():
        return tuple(_AllGather.apply(rows, world))  # type: ignore[no-untyped-call]
    parts = [torch.empty_like(rows) for _ in range(world)]
    dist.all_gather(parts, rows)
    return tuple(parts)
