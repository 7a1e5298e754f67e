"""Every way in which a reply can be wrong has its code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Error, Message, MetricRecord, RecordDict

from cape_fed.federation.local_grid import LocalGrid
from cape_fed.federation.messages import ENCODER, METRICS, PATIENTS, SENDER, Sender, reply_content
from cape_fed.federation.roster import Member
from cape_fed.federation.validation import RefusedError, check_numbers, check_update
from client.app import make_client_app

MEMBER = Member("a", "train", node=2, patients=50)
SCHEMA = {"stem.weight": torch.zeros(4, 3), "norm.bias": torch.zeros(4)}


def reply(sender: Sender | None = None, **metrics: float) -> Message:
    content = reply_content(
        sender or Sender(site="a", run="r", round=3), {PATIENTS: 10, "loss": 1.0, **metrics}, SCHEMA
    )
    return _message(content)


def _message(content: RecordDict | Error) -> Message:
    LocalGrid(make_client_app(lambda context: None), 1, 1).close()  # type: ignore[arg-type,return-value]
    asked = Message(RecordDict(), 2, "train")
    asked.metadata.__dict__["_message_id"] = "asked"
    if isinstance(content, Error):
        return Message(content, reply_to=asked)
    return Message(content, reply_to=asked)


def with_array(name: str, value: np.ndarray) -> Callable[[Message], None]:
    def change(message: Message) -> None:
        message.content.array_records[ENCODER][name] = Array(value)

    return change


def without(record: str) -> Callable[[Message], None]:
    def change(message: Message) -> None:
        del message.content[record]

    return change


def set_patients(value: float | list[int]) -> Callable[[Message], None]:
    def change(message: Message) -> None:
        message.content[METRICS] = MetricRecord({PATIENTS: value})

    return change


def broken_array(message: Message) -> None:
    array = message.content.array_records[ENCODER]["norm.bias"]
    message.content.array_records[ENCODER]["norm.bias"] = Array(array.dtype, array.shape, array.stype, b"not an array")


def drop_tensor(message: Message) -> None:
    record = message.content.array_records[ENCODER]
    message.content[ENCODER] = ArrayRecord(array_dict={"norm.bias": record["norm.bias"]})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without(SENDER), "malformed"),
        (without(ENCODER), "names"),
        (without(METRICS), "metrics"),
        (drop_tensor, "names"),
        (with_array("head.0.weight", np.zeros(3, np.float32)), "names"),
        (with_array("norm.bias", np.zeros(5, np.float32)), "shape"),
        (with_array("norm.bias", np.zeros(4, np.float64)), "dtype"),
        (with_array("norm.bias", np.array([0, 1, np.nan, 2], np.float32)), "nonfinite"),
        (with_array("norm.bias", np.array([0, 1, np.inf, 2], np.float32)), "nonfinite"),
        (set_patients(0), "weight"),
        (set_patients(-1), "weight"),
        (set_patients(float("nan")), "weight"),
        (set_patients(1e9), "weight"),
        (set_patients(51), "weight"),
        (set_patients([1, 2]), "metrics"),
        (broken_array, "malformed"),
    ],
)
def test_a_wrong_reply_is_refused_with_its_code(change: Callable[[Message], None], code: str) -> None:
    message = reply()
    check_update(message, MEMBER, "r", 3, SCHEMA)
    change(message)
    with pytest.raises(RefusedError) as refused:
        check_update(message, MEMBER, "r", 3, SCHEMA)
    assert refused.value.code == code


@pytest.mark.parametrize("sender", [Sender(site="a", run="r", round=2), Sender(site="a", run="other", round=3)])
def test_an_answer_to_another_question_is_stale(sender: Sender) -> None:
    with pytest.raises(RefusedError, match="stale"):
        check_update(reply(sender), MEMBER, "r", 3, SCHEMA)


def test_an_error_is_an_error() -> None:
    with pytest.raises(RefusedError, match="error code 2"):
        check_update(_message(Error(2, "RuntimeError")), MEMBER, "r", 3, SCHEMA)


def test_an_answer_in_another_sites_name_is_refused() -> None:
    other = Sender(site="b", run="r", round=3)
    with pytest.raises(RefusedError, match="another site"):
        check_numbers(reply(other), MEMBER, "r", 3)
