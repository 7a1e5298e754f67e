"""An encoder that was never trained, as a baseline: it embeds a store once, however many encoders it is set beside."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cape_fed.pretrain.encoder import EncoderConfig
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.release.embed import embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.signal.profile import Profile
from cape_fed.store.store import Store

MOST_BYTES = 2**28
"""Of embeddings that are kept; the ones used least recently go first, and what is larger is not kept at all."""

Key = tuple[str, int, str, str, str, str]
_kept: OrderedDict[Key, NDArray[np.float32]] = OrderedDict()


def untrained(
    config: EncoderConfig, seed: int, profile: Profile, device: torch.device
) -> Callable[[Store], NDArray[np.float32]]:
    """Embeds the records of a store, ``[N, D]``, with the weights that ``seed`` gives; InputError as `embed_store`.

    Evaluations in one process, as those of the demo and of a study, share the embeddings of a store.
    """
    encoder = PretrainedEncoder(build_encoder(config, seed).to(device), profile)

    def embed(store: Store) -> NDArray[np.float32]:
        key = (config.model_dump_json(), seed, profile.hash, str(device), str(store.path), store.meta.fingerprint)
        embedded = _kept.pop(key, None)
        if embedded is None:
            embedded = embed_store(encoder, store)
            embedded.flags.writeable = False  # it is handed to everyone who asks
        if embedded.nbytes <= MOST_BYTES:
            _kept[key] = embedded
        while sum(array.nbytes for array in _kept.values()) > MOST_BYTES:
            _kept.popitem(last=False)
        return embedded

    return embed
