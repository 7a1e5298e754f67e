"""Computing in float32 as it is meant, where a GPU would take TF32, which has 10 bits of a number's 23."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_lock = threading.Lock()
_inside = 0
_held: list[Any] = []


@contextmanager
def without_tf32() -> Iterator[None]:
    """Let convolutions and products of matrices on a GPU be in float32; what was set before is set again afterwards.

    PyTorch's settings are those of the process. So the first of several threads that are inside at once sets them and
    the last resets them, or one that leaves would change what another computes.
    """
    global _inside, _held
    with _lock:
        if not _inside:
            switches = _switches()
            _held = [(where, name, getattr(where, name)) for where, name, _ in switches]
            for where, name, off in switches:
                setattr(where, name, off)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for where, name, before in _held:
                    setattr(where, name, before)


def _switches() -> list[tuple[Any, str, object]]:
    """What holds each setting, the setting's name, and its value without TF32."""
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    if hasattr(cudnn, "conv"):  # PyTorch 2.9; reading the older names would fail where somebody set the newer ones
        return [(where, "fp32_precision", "ieee") for where in (cudnn.conv, cudnn.rnn, cuda.matmul)]
    return [(where, "allow_tf32", False) for where in (cudnn, cuda.matmul)]
