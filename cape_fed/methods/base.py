"""What a federated method decides, at the coordinator and at the sites; by default it decides as FedAvg does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from torch import Tensor

from cape_fed.federation.arithmetic import Arithmetic, State, averaging
from cape_fed.federation.shares import least_share
from cape_fed.federation.update import Changes, Update
from cape_fed.pretrain.learner import Learner
from cape_fed.section import Section
from cape_fed.seeds import derive_rng

if TYPE_CHECKING:
    from cape_fed.federation.messages import Content, Records

Kept = dict[str, Tensor]
"""Tensors that a method keeps at a site between rounds; they never leave it."""


class NoOptions(Section):
    """Settings of a method that has none."""


AnyOptions = TypeVar("AnyOptions", bound=Section)


class Method(Generic[AnyOptions]):
    """A federated method: FedAvg (McMahan et al. 2017) wherever a method does not say otherwise.

    The coordinator makes one object for a run and calls `select`, `instructions`, `read_reply`, `weigh`, `combine`,
    `conclude`, `state` and `load_state`. A site makes one for a message and calls `personal`, `begin` and `end`; what
    it has to remember are the tensors that `end` returns.
    """

    name: ClassVar[str]
    """Value of ``federation.strategy``."""
    Options: ClassVar[type[Section]] = NoOptions
    """Its settings, which are keys of ``federation.options``."""
    personalises: ClassVar[bool] = False
    """Whether the encoder that a site uses differs from the one that it receives."""
    keeps_statistics: ClassVar[bool] = False
    """Whether BatchNorm's running statistics stay at the sites."""
    sends: ClassVar[frozenset[str]] = frozenset()
    """Names of the records that sites send in addition to the encoder: a site's gate lets no others through."""

    def __init__(self, options: AnyOptions, parameters: Mapping[str, Tensor]) -> None:
        """``parameters`` are the encoder's, without statistics: their names and shapes are what a method works on."""
        self.options = options
        self.parameters = {name: value.detach().cpu() for name, value in parameters.items()}

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """How the changes of the sites become one, with its state; only the coordinator uses it."""
        return self.make_arithmetic()

    def make_arithmetic(self) -> Arithmetic:
        """The arithmetic of the method: by default the mean weighted by patients."""
        return averaging()

    # At the coordinator ----------------------------------------------------------------------------------------------

    def select(self, sites: Sequence[str], number: int, share: float, seed: int) -> set[str]:
        """Which training sites round ``number`` asks: a ``share`` of them, drawn by the seed."""
        if share == 1:
            return set(sites)
        count = max(1, least_share(share, len(sites)))
        drawn = derive_rng(seed, "participation", number).choice(len(sites), count, replace=False)
        return {sites[index] for index in drawn}

    @classmethod
    def share_asked(cls, sites: int, share: float) -> float:
        """In which share of the rounds a site is asked, of ``sites`` and with ``share`` of them a round."""
        return share

    def instructions(self) -> Records:
        """Records that go to the training sites with the encoder."""
        return {}

    def read_reply(self, content: Content, longest: float) -> Changes:
        """The method's part of a reply, checked; RefusedError where it does not count.

        ``longest`` bounds its Euclidean norm.
        """
        return {}

    def weigh(self, encoder: Mapping[str, Tensor], updates: Sequence[Update]) -> Sequence[Update]:
        """The updates with their changes scaled as the method weighs them, in addition to the patients."""
        return updates

    def combine(self, number: int, encoder: Mapping[str, Tensor], updates: Sequence[Update]) -> State:
        """The change of every learned tensor of the encoder in round ``number``."""
        return self.arithmetic.combine(number, encoder, updates)

    def conclude(self, updates: Sequence[Update], sites: int) -> None:
        """Take in the ``share`` of the ``extra`` of a round's updates, of ``sites`` training sites in all."""

    def state(self) -> State:
        """What a checkpoint of the coordinator has to hold."""
        return self.arithmetic.state()

    def load_state(self, state: State) -> None:
        """Go on from where `state` was taken."""
        self.arithmetic.load_state(state)

    # At a site -------------------------------------------------------------------------------------------------------

    def personal(self, received: Mapping[str, Tensor], kept: Kept) -> dict[str, Tensor]:
        """The encoder as a site uses it, from the one it received and what it keeps."""
        return dict(received)

    def begin(self, learner: Learner, received: Mapping[str, Tensor], kept: Kept, content: Content) -> Kept:
        """Put the learner where the local steps begin; returns what the site keeps, with what it learned just now.

        ``content`` is the message, for what `instructions` put into it; RefusedError where that cannot be used.
        """
        learner.encoder.load_state_dict(self.personal(received, kept))
        learner.transforms = ()
        return kept

    def end(self, learner: Learner, kept: Kept) -> tuple[Kept, Records]:
        """What the site keeps for its next round, and records for the coordinator in addition to the encoder."""
        return {}, {}


def encoder_copies(learner: Learner, names: Sequence[str]) -> Kept:
    """Copies of tensors of the learner's encoder, which goes on training."""
    encoder = learner.encoder.state_dict()
    return {name: encoder[name].detach().cpu().clone() for name in names}
