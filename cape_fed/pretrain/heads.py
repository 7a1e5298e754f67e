"""The projection heads that a run left behind: they are no part of a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from cape_fed.pretrain.initial import weights_from
from cape_fed.pretrain.objective import ProjectionHead
from cape_fed.pretrain.state import TENSORS, latest_checkpoint
from cape_fed.rundir import RunDirectory

_HEAD = "head."


def load_heads(run: RunDirectory) -> dict[str, ProjectionHead]:
    """Heads by place: ``central`` or, in a simulation, the sites' names; none where there is nothing of them."""
    return {place: _build(path) for place, path in _states(run) if path is not None}


@torch.no_grad()
def project(head: ProjectionHead, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the objective contrasts: embeddings ``[N, D]`` to unit vectors ``[N, P]``."""
    return np.asarray(normalize(head(torch.from_numpy(embeddings)), dim=1).numpy())


def _states(run: RunDirectory) -> Iterator[tuple[str, Path | None]]:
    yield "central", latest_checkpoint(run.checkpoints)
    for site in sorted(run.path.glob("sites/*")):
        yield site.name, max(site.glob("*/round-*"), default=None)


def _build(folder: Path) -> ProjectionHead:
    tensors: dict[str, Tensor] = {
        name.removeprefix(_HEAD): value for name, value in load_file(folder / TENSORS).items() if name.startswith(_HEAD)
    }
    hidden, dim = tensors["0.weight"].shape
    with weights_from(0):
        head = ProjectionHead(dim, hidden, len(tensors["2.weight"]))
    head.load_state_dict(tensors)
    return head.eval()
