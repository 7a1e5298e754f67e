"""Checks that a site's reply passes before it counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flwr.app import Message
from torch import Tensor

from cape_fed.federation.messages import ENCODER, METRICS, PATIENTS, read_sender


class RefusedError(Exception):
    """A reply that does not count; the code says why in one word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def check_reply(message: Message, run: str, round_number: int, schema: Mapping[str, Tensor]) -> None:
    """Raise RefusedError unless a training reply is finite, of this run and round, and shaped as ``schema``."""
    if message.has_error():
        raise RefusedError("error", f"the site answered with error code {message.error.code}")
    _check_sender(message, run, round_number)
    _check_weight(message)
    _check_arrays(message, schema)


def _check_sender(message: Message, run: str, round_number: int) -> None:
    try:
        sender = read_sender(message)
    except (KeyError, ValueError) as error:
        raise RefusedError("malformed", "it does not say who sent it") from error
    if sender.run != run or sender.round != round_number:
        raise RefusedError("stale", f"it answers round {sender.round} of run {sender.run}")


def _check_weight(message: Message) -> None:
    metrics = message.content.metric_records.get(METRICS)
    patients = None if metrics is None else metrics.get(PATIENTS)
    if not isinstance(patients, int) or patients <= 0:
        raise RefusedError("weight", f"its number of patients is {patients}")


def _check_arrays(message: Message, schema: Mapping[str, Tensor]) -> None:
    record = message.content.array_records.get(ENCODER)
    if record is None or set(record) != set(schema):
        raise RefusedError("names", "its tensors are not the encoder's")
    for name, expected in schema.items():
        array = record[name].numpy()
        if array.shape != tuple(expected.shape):
            raise RefusedError("shape", f"{name} has shape {array.shape}, expected {tuple(expected.shape)}")
        if array.dtype != np.dtype(str(expected.dtype).removeprefix("torch.")):
            raise RefusedError("dtype", f"{name} is {array.dtype}")
        if not np.isfinite(array).all():
            raise RefusedError("nonfinite", f"{name} holds NaN or infinity")
