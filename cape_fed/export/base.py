"""What every export format is, and what it is made from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from cape_fed.export.graph import Embedding
from cape_fed.export.preprocessing import Preprocessing
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.signal.leads import LEADS

INPUT, OUTPUT = "ecg_mv", "embedding"
"""Names of a graph's input ``[B, 12, n]`` in mV and its output ``[B, dim]``."""


@dataclass(frozen=True, slots=True)
class Source:
    """A loaded bundle, and at which rate the exported model takes recordings."""

    encoder: PretrainedEncoder
    rate: float | None = None
    """Rate in Hz of recordings whose preprocessing is part of the model; None: it takes prepared ones."""

    @property
    def fs(self) -> float:
        """Rate in Hz of what the model takes."""
        return self.encoder.profile.fs if self.rate is None else self.rate

    def model(self) -> Embedding:
        """The encoder, with its preprocessing if there is a rate; InputError where the rate does not fit a graph."""
        prepare = None if self.rate is None else Preprocessing(self.encoder.profile, self.rate)
        return Embedding(self.encoder.encoder, prepare)

    def example(self) -> Tensor:
        """An input of the model: a batch of two, for a trace."""
        samples = int(self.encoder.profile.seconds * self.fs)
        return torch.linspace(-1, 1, 2 * len(LEADS) * samples).reshape(2, len(LEADS), samples)


class ExportFormat(ABC):
    """One format: what of it is written into a directory."""

    name: ClassVar[str]
    """What ``--to`` calls it."""
    prepares: ClassVar[bool] = True
    """Whether preprocessing can be part of it."""
    needs: ClassVar[Mapping[str, str]] = {}
    """Modules that writing needs beyond PyTorch, each with the extra of cape-fed that brings it."""

    @abstractmethod
    def write(self, source: Source, out: Path) -> None:
        """Write the model into ``out``, an empty directory."""
