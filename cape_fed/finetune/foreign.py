"""A foreign encoder in the place of this project's: as it is for a linear layer, by its module for training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cape_fed.errors import InputError
from cape_fed.evaluate.foreign.embed import TRIED, embed_batch, embed_foreign, try_foreign
from cape_fed.evaluate.foreign.load import LoadedForeign, one_line
from cape_fed.evaluate.foreign.protocol import TrainableEncoder
from cape_fed.finetune.config import Adaptation
from cape_fed.pretrain.encoder import Encoder, EncoderConfig
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.release.provenance import Provenance
from cape_fed.signal.leads import LEADS
from cape_fed.store.store import Store

ALIKE = 0.01
"""How far a module's embeddings may be from those of `embed`, as a share of the largest number: rounding, no more."""


class ForeignConfig(EncoderConfig):
    """The shape of a foreign encoder, of which no more is known than how long its embeddings are."""

    architecture: str = "foreign"
    width: int

    @property
    def dim(self) -> int:
        """Length of the embedding."""
        return self.width


class FrozenForeign(Encoder):
    """Embeds by `ForeignEncoder.embed`, without gradients: a linear layer is all that can be fitted on it."""

    def __init__(self, loaded: LoadedForeign, fs: float, width: int) -> None:
        super().__init__(ForeignConfig(width=width))
        self.loaded, self.fs = loaded, fs

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenForeign:
        """Nothing of it changes, and what somebody else's encoder holds may not be to be copied."""
        return FrozenForeign(self.loaded, self.fs, self.config.dim)

    @property
    def device(self) -> torch.device:
        """Where recordings are handed over."""
        return torch.device("cpu")

    def forward(self, ecg: Tensor, valid: Tensor | None = None) -> Tensor:
        """Embed ``[B, 12, T]`` mV without padding; whatever precedes it has no gradient."""
        array = embed_batch(self.loaded, ecg.detach().float().cpu().numpy(), self.fs, "recordings")
        return torch.from_numpy(array).to(ecg.device)

    def layers(self) -> list[list[nn.Parameter]]:
        """None: nothing is trained."""
        return []


class ForeignModule(Encoder):
    """Embeds by `TrainableEncoder.module`, with gradients."""

    def __init__(self, module: nn.Module, width: int) -> None:
        super().__init__(ForeignConfig(width=width))
        self.module = module

    def forward(self, ecg: Tensor, valid: Tensor | None = None) -> Tensor:
        """Embed ``[B, 12, T]`` mV, records of one length together and without the padding."""
        if valid is None:
            return self._embed(ecg)
        lengths = torch.unique(valid)
        groups = [torch.nonzero(valid == length)[:, 0] for length in lengths]
        found = [self._embed(ecg[own, :, : max(1, int(n))]) for own, n in zip(groups, lengths.tolist(), strict=True)]
        return torch.cat(found)[torch.argsort(torch.cat(groups))]

    def layers(self) -> list[list[nn.Parameter]]:
        """The module's own layers, or all of it as one."""
        own: Callable[[], list[list[nn.Parameter]]] | None = getattr(self.module, "layers", None)
        return own() if callable(own) else [list(self.module.parameters())]

    def _embed(self, ecg: Tensor) -> Tensor:
        embedded: Tensor = self.module(ecg)
        return embedded


def adapt_foreign(loaded: LoadedForeign, store: Store, modes: Sequence[Adaptation]) -> PretrainedEncoder:
    """The encoder as fine-tuning takes it, tried on the first records of a store.

    InputError where it cannot embed them, where a mode trains it and it offers no module, where the module is not what
    was asked for, and where its embeddings are not those of ``embed``.
    """
    width = try_foreign(loaded, store)
    encoder: Encoder = FrozenForeign(loaded, store.profile.fs, width)
    if trained := [mode for mode in modes if mode != "linear"]:
        encoder = _module(loaded, store, width, trained)
    return PretrainedEncoder(encoder, store.profile, Provenance(method=loaded.name))


def _module(loaded: LoadedForeign, store: Store, width: int, modes: Sequence[Adaptation]) -> ForeignModule:
    remedy = "take finetune.modes=[linear]"
    if not isinstance(loaded.encoder, TrainableEncoder):
        raise InputError(f"{loaded.called} offers no module(fs, leads), which {' and '.join(modes)} train: {remedy}")
    rows = np.arange(min(TRIED, len(store)))
    try:
        module = loaded.encoder.module(float(store.profile.fs), LEADS)
        if not isinstance(module, nn.Module) or not any(True for _ in module.parameters()):
            raise TypeError(f"a {type(module).__name__} is no torch module with parameters")
        encoder = ForeignModule(module, width)
        found = PretrainedEncoder(encoder, store.profile).embed_rows(store.gather(rows), store.valid[rows])
    except Exception as error:
        raise InputError(f"{loaded.called}: its module raised {one_line(error)}") from error
    if "decayed" in modes and not callable(getattr(module, "layers", None)):
        raise InputError(f"{loaded.called}: its module has no layers(), which the mode decayed goes by: leave that out")
    expected = embed_foreign(loaded, store, rows)
    if not np.allclose(found, expected, rtol=0, atol=ALIKE * max(float(np.abs(expected).max()), 1e-6)):
        raise InputError(f"{loaded.called}: its module and its embed give other embeddings: mend it, or {remedy}")
    return encoder
