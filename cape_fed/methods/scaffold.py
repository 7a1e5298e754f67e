"""SCAFFOLD: control variates correct the local steps for client drift (Karimireddy et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cape_fed.federation.arithmetic import State
from cape_fed.federation.tensors import array_records, euclidean_norm, layout_of
from cape_fed.federation.update import Changes, Update
from cape_fed.methods.base import Kept, Method, NoOptions
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.stages.transforms import ControlVariate

if TYPE_CHECKING:
    from cape_fed.federation.messages import Content, Records

CONTROL = "control"
"""Name of the record with a control variate, in both directions."""


class Scaffold(Method[NoOptions]):
    """FedAvg with a control variate at the coordinator and one at every site.

    A site's control variate becomes the mean raw gradient of its local steps: under plain SGD at a constant rate that
    is the paper's option II, and it has a meaning under any optimiser.
    """

    name = "scaffold"
    sends = frozenset({CONTROL, layout_of(CONTROL)})

    def __init__(self, options: NoOptions, parameters: Mapping[str, Tensor]) -> None:
        super().__init__(options, parameters)
        self.control: State = {name: np.zeros(tuple(value.shape)) for name, value in self.parameters.items()}

    def instructions(self) -> Records:
        """The coordinator's control variate."""
        return array_records(CONTROL, {name: torch.from_numpy(value) for name, value in self.control.items()})

    def read_reply(self, content: Content, longest: float) -> Changes:
        """By how much the site changed its control variate, in float64."""
        from cape_fed.federation.validation import RefusedError, read_tensors  # imports Flower

        values = read_tensors(content, CONTROL, self.parameters)
        changes = {name: value.astype(np.float64) for name, value in values.items()}
        moved = euclidean_norm(changes)
        if not moved <= longest:
            raise RefusedError("norm", f"its control variate moved by {moved:.3g}, at most {longest:.3g} counts")
        return changes

    def conclude(self, updates: Sequence[Update], sites: int) -> None:
        """Add the changes of the sites, divided by the number of all training sites."""
        for update in updates:
            for name, value in update.extra.items():
                self.control[name] = self.control[name] + value / sites

    def state(self) -> State:
        """The control variate, in addition to the arithmetic's."""
        return super().state() | {f"{CONTROL}.{name}": value for name, value in self.control.items()}

    def load_state(self, state: State) -> None:
        """See `Method.load_state`."""
        self.control |= {name: value for key, value in state.items() if (name := _controlled(key))}
        super().load_state({key: value for key, value in state.items() if not _controlled(key)})

    def begin(self, learner: Learner, received: Mapping[str, Tensor], kept: Kept, content: Content) -> Kept:
        """Correct every gradient by the difference of the coordinator's control variate and the site's."""
        from cape_fed.federation.validation import read_tensors

        kept = super().begin(learner, received, kept, content)
        parameters = learner.encoder_parameters()
        control = {
            name: torch.from_numpy(value.copy()) for name, value in read_tensors(content, CONTROL, parameters).items()
        }
        correction = {name: value - kept.get(name, torch.zeros_like(value)) for name, value in control.items()}
        learner.transforms = (ControlVariate(parameters, correction),)
        return kept

    def end(self, learner: Learner, kept: Kept) -> tuple[Kept, Records]:
        """Keep the mean raw gradient of the round, and send by how much it differs from what was kept."""
        (variate,) = learner.transforms
        assert isinstance(variate, ControlVariate)
        after = variate.mean_gradients()
        change = {name: value - kept.get(name, torch.zeros_like(value)) for name, value in after.items()}
        return after, array_records(CONTROL, change)


def _controlled(key: str) -> str:
    """The parameter's name behind a key of the control variate; empty for other keys."""
    field, _, name = key.partition(".")
    return name if field == CONTROL else ""
