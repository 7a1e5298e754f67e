"""``--to torch``: a program of torch.export for any batch and length."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch
from torch.export import Dim

from cape_fed.errors import InputError
from cape_fed.export.base import INPUT, ExportFormat, Source

PROGRAM = "model.pt2"
LONGEST = 10_000_000
"""Samples; the program's bound has to be some number."""


class TorchProgram(ExportFormat):
    """A program that PyTorch runs and compiles without cape-fed. Its length is that of prepared recordings."""

    name = "torch"
    prepares = False

    def write(self, source: Source, out: Path) -> None:
        """Write `PROGRAM`; it takes recordings of `shortest` samples or more."""
        samples = Dim("samples", min=shortest(source), max=LONGEST)
        program = torch.export.export(
            source.model(), (source.example(),), dynamic_shapes={INPUT: {0: Dim("batch"), 2: samples}}, strict=False
        )
        torch.export.save(program, out / PROGRAM)


def shortest(source: Source) -> int:
    """Samples from which on there are two positions: torch.export takes a length of one for a constant."""
    samples = int(source.encoder.profile.fs)
    with suppress(InputError):  # an architecture without a sequence has no positions
        while source.encoder.encoder.positions(samples) < 2:
            samples += 1
    return samples
