"""Checks that a message passes before it counts, at the coordinator and at the site alike."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from flwr.app import Message, RecordDict
from numpy.typing import NDArray
from torch import Tensor

from cape_fed.federation.config import Transport
from cape_fed.federation.decoding import LARGEST, read_array, read_json
from cape_fed.federation.failures import describe
from cape_fed.federation.messages import MONITORS, read_numbers, read_sender
from cape_fed.federation.roster import Member
from cape_fed.federation.tensors import (
    ENCODER,
    VALUES,
    WIRE_TYPES,
    Layout,
    cut,
    euclidean_norm,
    layout_of,
    to_arrays,
    to_changes,
)
from cape_fed.pretrain.monitor import MONITORED
from cape_fed.privacy.numbers import PATIENTS, PRIVATE_NUMBERS, TRAINING_NUMBERS, are_charges


class RefusedError(Exception):
    """A message that does not count; the code says why in one word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


def check_reply(message: Message, member: Member, run: str, round_number: int) -> None:
    """Raise RefusedError unless a reply comes from ``member``, belongs to this run and round and has plain numbers."""
    if message.has_error():
        raise RefusedError("error", f"the site {describe(message.error.code)}")
    _check_sender(message, member, run, round_number)
    for record in message.content.metric_records.values():
        if not all(isinstance(value, int | float) and abs(value) < LARGEST for value in record.values()):
            raise RefusedError("metrics", "its numbers are lists, not finite or absurd")
    if not read_numbers(message, MONITORS).keys() <= MONITORED:
        raise RefusedError("metrics", "it measures what no monitor does")


def check_update(
    message: Message,
    member: Member,
    encoder: Mapping[str, Tensor],
    transport: Transport,
    max_change: float,
    *,
    private: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """How a reply to a training message changes ``encoder``, in float64; RefusedError where it does not count.

    Its arrays have to be finite and shaped as ``encoder``, the whole change at most ``max_change`` lengths of it, and
    its weight within what the site said when it joined. It has the numbers of a round and no others; of a ``private``
    one they have to be such that ε follows from them.
    """
    numbers = read_numbers(message)
    if numbers.keys() != (PRIVATE_NUMBERS if private else TRAINING_NUMBERS):
        raise RefusedError("metrics", "its numbers are missing, or are others than those of a round")
    if private and not are_charges(numbers):
        raise RefusedError("metrics", "no ε follows from its noise, rate and steps")
    patients = numbers[PATIENTS]
    if not isinstance(patients, int) or not 0 < patients <= member.patients:
        raise RefusedError("weight", f"its number of training patients is {patients} of {member.patients}")
    arrays = to_arrays(encoder)
    values = read_tensors(message.content, ENCODER, encoder, WIRE_TYPES[transport])
    changes = to_changes(values, arrays, transport)
    moved, allowed = euclidean_norm(changes), max_change * euclidean_norm(arrays)
    if not moved <= allowed:  # so written, a NaN out of bfloat16 bits is refused as well
        raise RefusedError("norm", f"its update has length {moved:.3g}, at most {allowed:.3g} counts")
    return changes


def read_tensors(
    content: RecordDict, name: str, schema: Mapping[str, Tensor], kind: str = "float32"
) -> dict[str, NDArray[np.generic]]:
    """Arrays of NumPy type ``kind`` by name out of a message's record ``name``.

    RefusedError unless they are finite and have the names and shapes of ``schema``.
    """
    expected = {tensor: tuple(value.shape) for tensor, value in schema.items()}
    try:
        layout = read_json(content, layout_of(name), Layout)
    except ValueError as error:
        raise RefusedError("malformed", str(error)) from error
    record = content.array_records.get(name)
    if record is None or set(record) != {VALUES} or layout.keys() != expected.keys():
        raise RefusedError("names", "its tensors are not the encoder's")
    for tensor, shape in expected.items():
        if layout[tensor] != shape:
            raise RefusedError("shape", f"{tensor} has shape {layout[tensor]}, expected {shape}")
    if record[VALUES].dtype != kind:
        raise RefusedError("dtype", f"its tensors are not {kind}")
    try:
        values = read_array(record[VALUES], (sum(math.prod(shape) for shape in expected.values()),), kind, "its array")
    except ValueError as error:
        raise RefusedError("malformed", str(error)) from error
    if not np.isfinite(values).all():
        raise RefusedError("nonfinite", "its tensors hold NaN or infinity")
    return cut(values, expected)


def _check_sender(message: Message, member: Member, run: str, round_number: int) -> None:
    try:
        sender = read_sender(message)
    except (KeyError, ValueError) as error:
        raise RefusedError("malformed", "it does not say who sent it") from error
    if sender.site != member.name:
        raise RefusedError("sender", "it says it is another site")
    if sender.run != run or sender.round != round_number:
        raise RefusedError("stale", f"it answers round {sender.round} of run {sender.run}")
