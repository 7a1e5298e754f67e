"""What a site can do wrong: one list for the in-process engine and, staged as part of an app, for real SuperNodes."""

from __future__ import annotations

import ctypes
import importlib
import io
import os
import time
from collections.abc import Callable
from types import ModuleType
from unittest.mock import patch

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from cape_fed.federation.decoding import json_record, read_json
from cape_fed.federation.messages import METRICS, REQUEST, SENDER, Sender, read_sender, sender_record
from cape_fed.federation.tensors import ENCODER, LAYOUT, VALUES, Layout, cut
from cape_fed.privacy.numbers import PATIENTS

VARIABLE = "CAPE_FED_TEST_FAULT"
"""``FAULT@ROUND`` or ``FAULT@FIRST-LAST``, with commas between several: what a site does wrong when it trains."""

Change = Callable[[Message], Message]


def _arrays(change: Callable[[dict[str, np.ndarray]], None]) -> Change:
    def faulty(reply: Message) -> Message:
        layout = read_json(reply.content, LAYOUT, Layout)
        arrays = cut(reply.content.array_records[ENCODER][VALUES].numpy().copy(), layout)
        change(arrays)
        values = np.concatenate([arrays[name].ravel() for name in sorted(arrays)])
        reply.content[ENCODER] = ArrayRecord({VALUES: Array(values)})
        reply.content[LAYOUT] = json_record({name: array.shape for name, array in arrays.items()}, Layout)
        return reply

    return faulty


def _first(value: float) -> Change:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[min(arrays)].flat[0] = value

    return _arrays(change)


def _scale(arrays: dict[str, np.ndarray]) -> None:
    for name in arrays:
        arrays[name] *= 1000


def _shape(arrays: dict[str, np.ndarray]) -> None:
    arrays[min(arrays)] = arrays[min(arrays)][:-1]


def _dtype(arrays: dict[str, np.ndarray]) -> None:
    for name in arrays:
        arrays[name] = arrays[name].astype(np.float64)


def _drop(arrays: dict[str, np.ndarray]) -> None:
    del arrays[min(arrays)]


def _add(arrays: dict[str, np.ndarray]) -> None:
    arrays["head.weight"] = np.zeros(3, np.float32)


def _weight(value: int) -> Change:
    def faulty(reply: Message) -> Message:
        reply.content[METRICS] = MetricRecord({**reply.content.metric_records[METRICS], PATIENTS: value})
        return reply

    return faulty


def _sender(**fields: object) -> Change:
    def faulty(reply: Message) -> Message:
        sender = read_sender(reply)
        changed = sender.model_copy(update={"round": max(0, sender.round - 1)} if "stale" in fields else fields)
        return _with_sender(reply, changed)

    return faulty


def _with_sender(reply: Message, sender: Sender) -> Message:
    rest = {name: record for name, record in reply.content.items() if name != SENDER}
    reply.content = RecordDict({**sender_record(sender), **rest})
    return reply


class _Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[int], object], tuple[int]]:
        return os._exit, (99,)


def _pickle(reply: Message) -> Message:
    """A pickle in place of the values, in an array that says of itself that it holds as many numbers as it should."""
    right, content = reply.content.array_records[ENCODER][VALUES], io.BytesIO()
    np.save(content, np.array([_Bomb()], dtype=object), allow_pickle=True)
    array = Array(dtype=right.dtype, shape=right.shape, stype=right.stype, data=content.getvalue())
    reply.content[ENCODER] = ArrayRecord({VALUES: array})
    return reply


def _empty(reply: Message) -> Message:
    reply.content = RecordDict()
    return reply


CORRUPTIONS: dict[str, tuple[Change, str]] = {
    "nan": (_first(float("nan")), "nonfinite"),
    "inf": (_first(float("inf")), "nonfinite"),
    "times-1000": (_arrays(_scale), "norm"),
    "wrong-shape": (_arrays(_shape), "shape"),
    "wrong-dtype": (_arrays(_dtype), "dtype"),
    "missing-key": (_arrays(_drop), "names"),
    "extra-key": (_arrays(_add), "names"),
    "weight-minus-1": (_weight(-1), "weight"),
    "weight-1e9": (_weight(10**9), "weight"),
    "stale-round": (_sender(stale=True), "stale"),
    "other-run": (_sender(run="000000000000"), "stale"),
    "other-site": (_sender(site="nobody"), "sender"),
    "claims-to-be-a": (_sender(site="a"), "sender"),
    "pickle": (_pickle, "malformed"),
    "empty": (_empty, "malformed"),
}
"""Ways to spoil a reply, and the code with which the coordinator refuses it."""


def do_wrong(fault: str, answer: Callable[[], Message]) -> Message:
    """The reply of a site with a fault; some never return."""
    if fault == "raise":
        raise RuntimeError("a path nobody should see: /secret")
    if fault == "exit":
        os._exit(70)
    handlers = importlib.import_module("cape_fed.site.handlers")
    if fault in ("hang", "stuck"):
        # Python's own sleep lets other threads go on, the C library's called like this does not.
        wait = time.sleep if fault == "hang" else ctypes.PyDLL(None).sleep
        vars(handlers)["train"] = lambda *arguments: wait(100_000)
        return answer()
    if fault.startswith("slow-"):
        return _slowly(float(fault.removeprefix("slow-")), handlers, answer)
    return CORRUPTIONS[fault][0](answer())


def _slowly(seconds: float, handlers: ModuleType, answer: Callable[[], Message]) -> Message:
    """A right answer by a site that is at work for ``seconds`` more."""
    train = handlers.train

    def slow_train(*arguments: object) -> object:
        time.sleep(seconds)
        return train(*arguments)

    with patch.object(handlers, "train", slow_train):
        return answer()


class FaultyApp(ClientApp):
    """A ClientApp around a right one that goes wrong in chosen rounds of training."""

    def __init__(self, app: ClientApp) -> None:
        super().__init__()
        self.app = app

    def __call__(self, message: Message, context: Context) -> Message:
        fault = fault_of(os.environ.get(VARIABLE, ""), message)
        return do_wrong(fault, lambda: self.app(message, context)) if fault else self.app(message, context)


def fault_of(setting: str, message: Message) -> str | None:
    """The fault that a setting asks for in the round of a training message."""
    if message.metadata.message_type != "train" or REQUEST not in message.content:
        return None
    for part in filter(None, setting.split(",")):
        fault, _, rounds = part.partition("@")
        first, _, last = rounds.partition("-")
        if int(first) <= int(message.metadata.group_id) <= int(last or first):
            return fault
    return None
