"""Checks that a site's reply passes before it counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flwr.app import Message
from torch import Tensor

from cape_fed.federation.messages import ENCODER, METRICS, PATIENTS, read_sender
from cape_fed.federation.roster import Member


class RefusedError(Exception):
    """A reply that does not count; the code says why in one word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def check_update(message: Message, member: Member, run: str, round_number: int, schema: Mapping[str, Tensor]) -> None:
    """Raise RefusedError unless a reply to a training message counts.

    It has to come from ``member`` and belong to this run and round; its encoder has to be finite and shaped as
    ``schema``, and its weight within what the site said when it joined.
    """
    check_numbers(message, member, run, round_number)
    patients = message.content.metric_records[METRICS].get(PATIENTS)
    if not isinstance(patients, int) or not 0 < patients <= member.patients:
        raise RefusedError("weight", f"its number of training patients is {patients} of {member.patients}")
    try:
        _check_arrays(message, schema)
    except (ValueError, TypeError) as error:
        raise RefusedError("malformed", "an array cannot be read") from error


def check_numbers(message: Message, member: Member, run: str, round_number: int) -> None:
    """Raise RefusedError unless a reply comes from ``member``, belongs to this run and round and has plain numbers."""
    if message.has_error():
        raise RefusedError("error", f"the site answered with error code {message.error.code}")
    _check_sender(message, member, run, round_number)
    metrics = message.content.metric_records.get(METRICS)
    if metrics is None or not all(isinstance(value, int | float) for value in metrics.values()):
        raise RefusedError("metrics", "its numbers are missing or are lists")


def _check_sender(message: Message, member: Member, run: str, round_number: int) -> None:
    try:
        sender = read_sender(message)
    except (KeyError, ValueError) as error:
        raise RefusedError("malformed", "it does not say who sent it") from error
    if sender.site != member.name:
        raise RefusedError("sender", "it says it is another site")
    if sender.run != run or sender.round != round_number:
        raise RefusedError("stale", f"it answers round {sender.round} of run {sender.run}")


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
