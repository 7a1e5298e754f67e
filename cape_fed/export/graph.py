"""An encoder as one module from recordings to embeddings, as other runtimes take it."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from cape_fed.pretrain.encoder import Encoder


class Embedding(nn.Module):
    """``[B, 12, n]`` in mV to embeddings ``[B, dim]``, after ``prepare`` where there is one."""

    def __init__(self, encoder: Encoder, prepare: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = _exportable(encoder)
        self.prepare = prepare or nn.Identity()
        self.eval()

    def forward(self, ecg_mv: Tensor) -> Tensor:
        """Recordings of one length."""
        embedded: Tensor = self.encoder(self.prepare(ecg_mv))
        return embedded


class PaddedMaxPool(nn.Module):
    """Max pooling with ``ceil_mode``, written so that its length is provably that of a convolution of its stride."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, T]`` to ``[B, C, ceil(T / size)]``."""
        padded = pad(x, (0, self.size - 1), value=float("-inf"))
        # PyTorch's pooling in one dimension takes the length for a number, that in two does not.
        return max_pool2d(padded[:, :, None], (1, self.size))[:, :, 0]


def _exportable(encoder: Encoder) -> Encoder:
    """A copy with the same outputs whose lengths torch.export can follow."""
    encoder = copy.deepcopy(encoder).cpu().eval().requires_grad_(False)
    for module in list(encoder.modules()):
        for name, inner in module.named_children():
            if isinstance(inner, nn.MaxPool1d) and inner.ceil_mode and inner.kernel_size == inner.stride:
                assert isinstance(inner.stride, int)
                setattr(module, name, PaddedMaxPool(inner.stride))
    return encoder
