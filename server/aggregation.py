"""From the sites' changes to the next encoder: Flower's strategies on differences, clipped to the median length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Message, MessageType, Metadata, MetricRecord, RecordDict
from flwr.app.message import make_message
from flwr.serverapp.strategy import FedAdam, FedAvg, FedAvgM, FedMedian, FedTrimmedAvg, MultiKrum
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.errors import RunError
from cape_fed.federation.config import FederationConfig
from cape_fed.federation.messages import METRICS, PATIENTS
from cape_fed.federation.tensors import ENCODER, length

Changes = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Update:
    """What one site's reply comes to."""

    site: str
    changes: Changes
    weight: int
    """Training patients it counts for."""


class Aggregator:
    """Turns a round's updates into the next encoder; holds the server optimiser's state between rounds.

    Strategies see differences from the round's encoder in place of weights and zeros in place of the encoder: the
    arithmetic is the same, and distances and means are not taken between large, nearly equal numbers.
    """

    def __init__(self, config: FederationConfig) -> None:
        self.config = config
        self.strategy = _make_strategy(config)

    def aggregate(
        self, round_number: int, encoder: Mapping[str, Tensor], updates: Sequence[Update]
    ) -> dict[str, Tensor]:
        """The encoder after a round; ``updates`` in the order of site names, at least one.

        RunError where the outcome is not finite, as from a server learning rate that is too high.
        """
        zeros = ArrayRecord({name: Array(np.zeros(tuple(value.shape))) for name, value in sorted(encoder.items())})
        if isinstance(self.strategy, FedAvgM):
            self.strategy.current_arrays = zeros
        if isinstance(self.strategy, FedAdam):
            self.strategy.current_arrays = {name: array.numpy() for name, array in zeros.items()}
        replies = [_as_reply(update) for update in (clip_to_median(updates) if self.config.clip else updates)]
        arrays, _ = self.strategy.aggregate_train(round_number, replies)
        assert arrays is not None
        with np.errstate(over="ignore"):  # infinity is looked for below
            after = {
                name: torch.from_numpy((value.detach().cpu().numpy() + arrays[name].numpy()).astype(np.float32))
                for name, value in encoder.items()
            }
        if not all(bool(torch.isfinite(value).all()) for value in after.values()):
            raise RunError(f"round {round_number}: the encoder is not finite: lower federation.options.learning_rate")
        return after

    def state(self) -> dict[str, Tensor]:
        """The server optimiser's moments, empty where the strategy has none."""
        moments: dict[str, NDArray[np.float64]] = {}
        for field in ("m_t", "v_t"):
            for name, value in (getattr(self.strategy, field, None) or {}).items():
                moments[f"{field}.{name}"] = value
        for index, value in enumerate(getattr(self.strategy, "momentum_vector", None) or []):
            moments[f"momentum_vector.{index:06d}"] = value
        return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in moments.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Put the server optimiser where `state` was taken."""
        fields: dict[str, dict[str, NDArray[np.float64]]] = {}
        for key, value in sorted(state.items()):
            field, _, name = key.partition(".")
            fields.setdefault(field, {})[name] = value.numpy()
        for field, values in fields.items():
            setattr(self.strategy, field, list(values.values()) if field == "momentum_vector" else values)


def clip_to_median(updates: Sequence[Update]) -> list[Update]:
    """Scale every update that is longer than the median one down to its length."""
    lengths = [length(update.changes) for update in updates]
    bound = float(np.median(lengths))
    return [
        update
        if own <= bound
        else Update(update.site, {name: value * (bound / own) for name, value in update.changes.items()}, update.weight)
        for update, own in zip(updates, lengths, strict=True)
    ]


def _make_strategy(config: FederationConfig) -> FedAvg:
    options = config.options
    match config.strategy:
        case "fedavg" | "fedprox":  # FedProx differs at the sites only
            return FedAvg(weighted_by_key=PATIENTS)
        case "fedavgm":
            return FedAvgM(
                weighted_by_key=PATIENTS,
                server_learning_rate=options.learning_rate,
                server_momentum=options.momentum,
            )
        case "fedadam":
            return FedAdam(
                weighted_by_key=PATIENTS,
                eta=options.learning_rate,
                beta_1=options.momentum,
                beta_2=options.second_momentum,
                tau=options.tau,
            )
        case "trimmed_mean":
            return FedTrimmedAvg(weighted_by_key=PATIENTS, beta=options.trim)
        case "multi_krum":
            return MultiKrum(
                weighted_by_key=PATIENTS,
                num_malicious_nodes=options.malicious,
                num_nodes_to_select=options.selected,
            )
        case "median":
            return FedMedian(weighted_by_key=PATIENTS)


def _as_reply(update: Update) -> Message:
    """An update as the message a strategy expects."""
    arrays = ArrayRecord({name: Array(np.ascontiguousarray(value)) for name, value in sorted(update.changes.items())})
    content = RecordDict({ENCODER: arrays, METRICS: MetricRecord({PATIENTS: update.weight})})
    nowhere = Metadata(0, "", 0, 0, "", "", 0.0, 0.0, MessageType.TRAIN)
    return make_message(nowhere, content)
