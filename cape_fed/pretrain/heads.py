"""The projection heads that a run left behind: they are no part of a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from cape_fed.pretrain.initial import weights_from
from cape_fed.pretrain.objective import ProjectionHead
from cape_fed.pretrain.state import TENSORS
from cape_fed.rundir import RunDirectory

_HEAD = "head."


def load_heads(run: RunDirectory) -> dict[str, ProjectionHead]:
    """Heads by the name of their learner: ``central``, or in a simulation each site's; empty where none are left."""
    return {name: _build(path) for name, path in run.learner_states()}


@torch.no_grad()
def project(head: ProjectionHead, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the objective contrasts: embeddings ``[N, D]`` to unit vectors ``[N, P]``."""
    return np.asarray(normalize(head(torch.from_numpy(embeddings)), dim=1).numpy())


def _build(folder: Path) -> ProjectionHead:
    tensors: dict[str, Tensor] = {
        name.removeprefix(_HEAD): value for name, value in load_file(folder / TENSORS).items() if name.startswith(_HEAD)
    }
    hidden, dim = tensors["0.weight"].shape
    with weights_from(0):
        head = ProjectionHead(dim, hidden, len(tensors["2.weight"]))
    head.load_state_dict(tensors)
    return head.eval()
