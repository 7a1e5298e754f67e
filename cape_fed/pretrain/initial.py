"""Initial weights that depend on a seed and on nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_lock = Lock()


@contextmanager
def weights_from(seed: int) -> Iterator[None]:
    """Modules built inside draw their weights from ``seed``; PyTorch's global generator is left as it was.

    That generator is shared by all threads, and sites of the in-process engine are threads: one at a time.
    """
    with _lock, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
