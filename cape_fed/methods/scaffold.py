"""SCAFFOLD: control variates correct the local steps for client drift (Karimireddy et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter
from torch import Tensor

from cape_fed.federation.arithmetic import State
from cape_fed.federation.tensors import array_records, euclidean_norm, layout_of
from cape_fed.federation.update import Changes, Update
from cape_fed.methods.base import Kept, Method, NoOptions
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.stages.transforms import ControlVariate

if TYPE_CHECKING:
    from cape_fed.federation.messages import Content, Records

CONTROL, COUNTED, BEFORE = "control", "counted", "before"
"""Names of the records with a control variate, in both directions, and with what counted of the sites' changes.

The last is where a site keeps what its control variate was before the change that it sent.
"""
_Counted = TypeAdapter(dict[str, Annotated[float, Field(ge=0, le=1)]])
"""Mark of a change (`_mark_of`) → the share of it that counted."""


class Scaffold(Method[NoOptions]):
    """FedAvg with a control variate at the coordinator and one at every site.

    A site's control variate becomes the mean raw gradient of its local steps: under plain SGD at a constant rate that
    is the paper's option II, and it has a meaning under any optimiser.

    The coordinator's is the mean of the sites' only if both know the same changes. One that never arrived, or was
    clipped, would otherwise be missing for the rest of the run and lead it to another optimum. So every message says
    by marks of which changes how much counted, and a site takes as much of the one that it sent last.
    """

    name = "scaffold"
    sends = frozenset({CONTROL, layout_of(CONTROL)})

    def __init__(self, options: NoOptions, parameters: Mapping[str, Tensor]) -> None:
        super().__init__(options, parameters)
        self.control: State = {name: np.zeros(tuple(value.shape)) for name, value in self.parameters.items()}
        self.counted: State = {}
        """By site, the mark of its last change that counted and the share that did."""

    def instructions(self) -> Records:
        """The coordinator's control variate, and what it has of the sites' changes."""
        from cape_fed.federation.decoding import json_record  # imports Flower

        counted = {f"{int(mark):012x}": float(share) for mark, share in self.counted.values()}
        control = {name: torch.from_numpy(value) for name, value in self.control.items()}
        return {**array_records(CONTROL, control), COUNTED: json_record(dict(sorted(counted.items())), _Counted)}

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
                self.control[name] = self.control[name] + update.share * value / sites
            self.counted[update.site] = np.array([int(_mark_of(update.extra), 16), update.share])

    def state(self) -> State:
        """The control variate and what counted of the sites' changes, in addition to the arithmetic's."""
        own = {CONTROL: self.control, COUNTED: self.counted}
        return super().state() | {f"{field}.{name}": value for field, of in own.items() for name, value in of.items()}

    def load_state(self, state: State) -> None:
        """See `Method.load_state`."""
        for field, own in ((CONTROL, self.control), (COUNTED, self.counted)):
            own.update(_under(field, state))
        super().load_state(
            {key: value for key, value in state.items() if key.partition(".")[0] not in (CONTROL, COUNTED)}
        )

    def begin(self, learner: Learner, received: Mapping[str, Tensor], kept: Kept, content: Content) -> Kept:
        """Correct every gradient by the difference of the coordinator's control variate and the site's."""
        from cape_fed.federation.validation import read_tensors

        kept = _as_counted(super().begin(learner, received, kept, content), content)
        parameters = learner.encoder_parameters()
        control = {
            name: torch.from_numpy(value.copy()) for name, value in read_tensors(content, CONTROL, parameters).items()
        }
        correction = {name: value - kept.get(name, torch.zeros_like(value)) for name, value in control.items()}
        learner.transforms = (ControlVariate(parameters, correction),)
        return kept

    def end(self, learner: Learner, kept: Kept) -> tuple[Kept, Records]:
        """Keep the mean raw gradient of the round, and send by how much it differs from what was kept before."""
        (variate,) = learner.transforms
        assert isinstance(variate, ControlVariate)
        after = variate.mean_gradients()
        before = {name: kept.get(name, torch.zeros_like(value)) for name, value in after.items()}
        own = after | {f"{BEFORE}.{name}": value for name, value in before.items()}
        return own, array_records(CONTROL, _changes(before, after))


def _as_counted(kept: Kept, content: Content) -> Kept:
    """A site's control variate with as much of the change that it sent last as counted at the coordinator."""
    from cape_fed.federation.decoding import read_json
    from cape_fed.federation.validation import RefusedError

    try:
        counted = read_json(content, COUNTED, _Counted)
    except ValueError as error:
        raise RefusedError("malformed", str(error)) from error
    before = _under(BEFORE, kept)
    after = {name: value for name, value in kept.items() if name.partition(".")[0] != BEFORE}
    if not before:
        return after
    sent = _changes(before, after)
    share = counted.get(_mark_of({name: value.numpy() for name, value in sent.items()}), 0.0)
    return after if share == 1 else {name: value + share * sent[name] for name, value in before.items()}


def _changes(before: Kept, after: Kept) -> Kept:
    return {name: value - before[name] for name, value in after.items()}


def _mark_of(changes: Mapping[str, NDArray[Any]]) -> str:
    """What tells changes from all others: 48 bits of a hash of them in float32, in hexadecimal."""
    digest = blake2b(digest_size=6)
    for name in sorted(changes):
        digest.update(np.ascontiguousarray(changes[name], np.float32).tobytes())
    return digest.hexdigest()


def _under(field: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What stands under names that begin with ``field`` and a dot, by the rest of these names."""
    return {name.removeprefix(f"{field}."): value for name, value in values.items() if name.startswith(f"{field}.")}
