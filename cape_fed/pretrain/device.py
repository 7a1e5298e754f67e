"""Where to compute."""

from __future__ import annotations

import os

import torch

from cape_fed.errors import InputError


def choose_device(name: str) -> torch.device:
    """The device of a name, ``auto`` being a GPU where there is one; InputError where it cannot be computed on."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:  # torchrun: a GPU for each process
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # a device can have a name and hold no numbers
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise InputError(f"device '{name}' is not available here: use cpu, or auto") from error
    return device
