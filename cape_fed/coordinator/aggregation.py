"""From the sites' changes to the next encoder: Flower's strategies on differences, clipped to the median length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Message, MessageType, Metadata, MetricRecord, RecordDict
from flwr.app.message import make_message
from flwr.serverapp.strategy import FedAdam, FedAvg, FedAvgM, FedMedian, FedTrimmedAvg, MultiKrum
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.coordinator.divergence import weigh_by_divergence
from cape_fed.errors import RunError
from cape_fed.federation.config import FederationConfig
from cape_fed.federation.messages import METRICS, PATIENTS
from cape_fed.federation.tensors import ENCODER, length
from cape_fed.federation.update import Update
from cape_fed.pretrain.norm import is_statistic


class Aggregator:
    """Turns a round's updates into the next encoder; holds the server optimiser's state between rounds.

    Strategies see differences from the round's encoder in place of weights and zeros in place of the encoder: the
    arithmetic is the same, and distances and means are not taken between large, nearly equal numbers.
    """

    def __init__(self, config: FederationConfig, parameters: Mapping[str, Tensor] | None = None) -> None:
        """``parameters`` are the encoder's, in whose shapes SCAFFOLD's control variate begins at 0."""
        self.config = config
        self.strategy = _make_strategy(config)
        controlled = (parameters or {}) if config.strategy == "scaffold" else {}
        self.control = {name: np.zeros(tuple(value.shape)) for name, value in controlled.items()}

    def aggregate(
        self, round_number: int, encoder: Mapping[str, Tensor], updates: Sequence[Update]
    ) -> dict[str, Tensor]:
        """The encoder after a round; ``updates`` in the order of site names, at least one.

        RunError where the outcome is not finite, as from a server learning rate that is too high.
        """
        counted = clip_to_median(updates) if self.config.clip else list(updates)
        if self.config.strategy == "ldawa":
            counted = weigh_by_divergence(encoder, counted)
        arrays = self._aggregate_parameters(round_number, encoder, counted) | _mean_statistics(counted)
        with np.errstate(over="ignore"):  # infinity is looked for below
            after = {
                name: torch.from_numpy((value.detach().cpu().numpy() + arrays[name]).astype(np.float32))
                for name, value in encoder.items()
            }
        if not all(bool(torch.isfinite(value).all()) for value in after.values()):
            raise RunError(f"round {round_number}: the encoder is not finite: lower federation.options.learning_rate")
        return after

    def _aggregate_parameters(
        self, round_number: int, encoder: Mapping[str, Tensor], updates: Sequence[Update]
    ) -> dict[str, NDArray[np.float64]]:
        """The strategy's change of everything that is learned; BatchNorm's statistics never enter an optimiser."""
        learned = [name for name in sorted(encoder) if not is_statistic(name)]
        zeros = ArrayRecord({name: Array(np.zeros(tuple(encoder[name].shape))) for name in learned})
        if isinstance(self.strategy, FedAvgM):
            self.strategy.current_arrays = zeros
        if isinstance(self.strategy, FedAdam):
            self.strategy.current_arrays = {name: array.numpy() for name, array in zeros.items()}
        arrays, _ = self.strategy.aggregate_train(round_number, [_as_reply(update, learned) for update in updates])
        assert arrays is not None
        return {name: arrays[name].numpy() for name in learned}

    def steer(self, updates: Sequence[Update], sites: int) -> None:
        """SCAFFOLD's control variate after a round: the sites' changes over the number of all training sites."""
        changes = [Update(update.site, update.control, update.weight) for update in updates if update.control]
        for update in clip_to_median(changes) if self.config.clip and changes else changes:
            for name, value in update.changes.items():
                self.control[name] = self.control[name] + value / sites

    def state(self) -> dict[str, Tensor]:
        """The server optimiser's moments and the control variate, empty where the strategy has neither."""
        moments = {f"control.{name}": value for name, value in self.control.items()}
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
        self.control |= fields.pop("control", {})
        for field, values in fields.items():
            setattr(self.strategy, field, list(values.values()) if field == "momentum_vector" else values)


def clip_to_median(updates: Sequence[Update]) -> list[Update]:
    """Scale every update that is longer than the median one down to its length."""
    lengths = [length(update.changes) for update in updates]
    bound = float(np.median(lengths))
    return [
        update
        if own <= bound
        else replace(update, changes={name: value * (bound / own) for name, value in update.changes.items()})
        for update, own in zip(updates, lengths, strict=True)
    ]


def _make_strategy(config: FederationConfig) -> FedAvg:
    options = config.options
    match config.strategy:
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
        case "fedavg" | "fedprox" | "scaffold" | "fedbn" | "fedema" | "ldawa" | "cyclic":
            # These differ at the sites, in who is asked, or in what weighs how much.
            return FedAvg(weighted_by_key=PATIENTS)


def _mean_statistics(updates: Sequence[Update]) -> dict[str, NDArray[np.float64]]:
    """The mean change of BatchNorm's running statistics, weighted by patients."""
    total = sum(update.weight for update in updates)
    return {
        name: sum((update.weight / total * update.changes[name] for update in updates), np.zeros(()))
        for name in updates[0].changes
        if is_statistic(name)
    }


def _as_reply(update: Update, names: Sequence[str]) -> Message:
    """An update as the message a strategy expects."""
    arrays = ArrayRecord({name: Array(np.ascontiguousarray(update.changes[name])) for name in names})
    content = RecordDict({ENCODER: arrays, METRICS: MetricRecord({PATIENTS: update.weight})})
    nowhere = Metadata(0, "", 0, 0, "", "", 0.0, 0.0, MessageType.TRAIN)
    return make_message(nowhere, content)
