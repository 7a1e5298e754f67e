"""Flower's strategies as arithmetic on the sites' changes of the encoder.

Strategies see differences from the round's encoder in place of weights, and zeros in place of the encoder: the
arithmetic is equal, and distances and means are not taken between large, nearly equal numbers.

They are imported where they are used: a site, whose every message is a new process, has no need of them, and central
training, which reads the settings of methods too, has no need of Flower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.federation.tensors import ENCODER
from cape_fed.federation.update import Update
from cape_fed.privacy.numbers import PATIENTS

if TYPE_CHECKING:
    from flwr.app import Message
    from flwr.serverapp.strategy import FedAvg

State = dict[str, NDArray[np.float64]]
"""What a method keeps at the coordinator between rounds, by name."""

_FIELDS = ("m_t", "v_t")
_MOMENTUM = "momentum_vector"


class Arithmetic:
    """One of Flower's strategies, with the state of its server optimiser."""

    def __init__(self, strategy: FedAvg) -> None:
        self.strategy = strategy

    def combine(self, number: int, encoder: Mapping[str, Tensor], updates: Sequence[Update]) -> State:
        """The change of each tensor of ``encoder`` that the updates of round ``number`` come to, in float64."""
        from flwr.app import Array, ArrayRecord
        from flwr.serverapp import strategy as flower

        names = sorted(encoder)
        zeros = ArrayRecord({name: Array(np.zeros(tuple(encoder[name].shape))) for name in names})
        if isinstance(self.strategy, flower.FedAvgM):
            self.strategy.current_arrays = zeros
        if isinstance(self.strategy, flower.FedAdam):
            self.strategy.current_arrays = {name: array.numpy() for name, array in zeros.items()}
        arrays, _ = self.strategy.aggregate_train(number, [_as_reply(update, names) for update in updates])
        assert arrays is not None
        return {name: arrays[name].numpy() for name in names}

    def state(self) -> State:
        """The moments of the server optimiser; empty where the strategy has none."""
        moments: State = {}
        for field in _FIELDS:
            for name, value in (getattr(self.strategy, field, None) or {}).items():
                moments[f"{field}.{name}"] = value
        for index, value in enumerate(getattr(self.strategy, _MOMENTUM, None) or []):
            moments[f"{_MOMENTUM}.{index:06d}"] = value
        return moments

    def load_state(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Put the server optimiser where `state` was taken."""
        fields: dict[str, State] = {}
        for key, value in sorted(state.items()):
            field, _, name = key.partition(".")
            fields.setdefault(field, {})[name] = value
        for field, values in fields.items():
            setattr(self.strategy, field, list(values.values()) if field == _MOMENTUM else values)


def averaging() -> Arithmetic:
    """The mean weighted by patients (McMahan et al. 2017)."""
    from flwr.serverapp import strategy as flower

    return Arithmetic(flower.FedAvg(weighted_by_key=PATIENTS))


def averaging_with_momentum(learning_rate: float, momentum: float) -> Arithmetic:
    """The mean weighted by patients, with momentum at the coordinator (Hsu et al. 2019)."""
    from flwr.serverapp import strategy as flower

    return Arithmetic(
        flower.FedAvgM(weighted_by_key=PATIENTS, server_learning_rate=learning_rate, server_momentum=momentum)
    )


def adam(learning_rate: float, beta_1: float, beta_2: float, tau: float) -> Arithmetic:
    """Adam at the coordinator on the mean weighted by patients (Reddi et al. 2021)."""
    from flwr.serverapp import strategy as flower

    return Arithmetic(
        flower.FedAdam(weighted_by_key=PATIENTS, eta=learning_rate, beta_1=beta_1, beta_2=beta_2, tau=tau)
    )


def trimmed_mean(share: float) -> Arithmetic:
    """The mean of each number without ``share`` of the sites at either end (Yin et al. 2018)."""
    from flwr.serverapp import strategy as flower

    return Arithmetic(flower.FedTrimmedAvg(weighted_by_key=PATIENTS, beta=share))


def multi_krum(malicious: int, selected: int) -> Arithmetic:
    """The mean of the ``selected`` sites that lie closest to the others (Blanchard et al. 2017)."""
    from flwr.serverapp import strategy as flower

    strategy = flower.MultiKrum(
        weighted_by_key=PATIENTS, num_malicious_nodes=malicious, num_nodes_to_select=selected
    )  # fmt: skip
    return Arithmetic(strategy)


def median() -> Arithmetic:
    """The median of each number over the sites (Yin et al. 2018)."""
    from flwr.serverapp import strategy as flower

    return Arithmetic(flower.FedMedian(weighted_by_key=PATIENTS))


def _as_reply(update: Update, names: Sequence[str]) -> Message:
    """An update as the message that a strategy expects."""
    from flwr.app import Array, ArrayRecord, MessageType, Metadata, MetricRecord, RecordDict
    from flwr.app.message import make_message

    from cape_fed.federation.messages import METRICS

    arrays = ArrayRecord({name: Array(np.ascontiguousarray(update.changes[name])) for name in names})
    content = RecordDict({ENCODER: arrays, METRICS: MetricRecord({PATIENTS: update.weight})})
    nowhere = Metadata(0, "", 0, 0, "", "", 0.0, 0.0, MessageType.TRAIN)
    return make_message(nowhere, content)
