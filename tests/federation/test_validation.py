"""Every way in which a message can be wrong has its code, at the coordinator and at the site."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from flwr.app import Array, Error, Message, MessageType, Metadata, MetricRecord, RecordDict
from flwr.app.message import make_message

from cape_fed.federation.config import Transport
from cape_fed.federation.decoding import json_record
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import METRICS, MONITORS, SENDER, Sender, number_record, sender_record
from cape_fed.federation.plausibility import Size
from cape_fed.federation.roster import Member
from cape_fed.federation.tensors import ENCODER, LAYOUT, VALUES, Layout, encoder_records, update_records
from cape_fed.federation.validation import RefusedError, check_reply, check_update, read_tensors
from cape_fed.privacy.numbers import PATIENTS

MEMBER = Member("a", "train", 2, {"cohort": Size(80, 50)})
SCHEMA = {"stem.weight": torch.ones(4, 3), "norm.bias": torch.ones(4)}


def message(content: RecordDict | Error) -> Message:
    metadata = Metadata(1, "id", 2, 1, "asked", "3", 0.0, 60.0, MessageType.TRAIN)
    if isinstance(content, Error):
        return make_message(metadata, error=content)
    return make_message(metadata, content)


def reply(sender: Sender | None = None) -> Message:
    numbers = number_record({PATIENTS: 10, "loss": 1.0, "seconds": 2.0})
    sender = sender or Sender(site="a", run="r", round=3)
    return message(RecordDict({**sender_record(sender), METRICS: numbers, **encoder_records(SCHEMA)}))


def check(received: Message) -> None:
    check_reply(received, MEMBER, "r", 3)
    check_update(received, MEMBER, SCHEMA, "float32", 10.0)


def with_values(value: np.ndarray) -> Callable[[Message], None]:
    def change(received: Message) -> None:
        received.content.array_records[ENCODER][VALUES] = Array(value)

    return change


def with_layout(**shapes: tuple[int, ...] | None) -> Callable[[Message], None]:
    def change(received: Message) -> None:
        layout = {name: tuple(value.shape) for name, value in SCHEMA.items()} | shapes
        kept = {name: shape for name, shape in layout.items() if shape is not None}
        received.content[LAYOUT] = json_record(kept, Layout)

    return change


def ones(number: int = 16, kind: type[np.generic] = np.float32, **at: float) -> np.ndarray:
    values = np.ones(number, kind)
    values[5] = at.get("five", 1)
    return values


def without(record: str) -> Callable[[Message], None]:
    def change(received: Message) -> None:
        del received.content[record]

    return change


def with_numbers(**numbers: float | list[float]) -> Callable[[Message], None]:
    def change(received: Message) -> None:
        received.content[METRICS] = MetricRecord({PATIENTS: 10, "loss": 1.0, "seconds": 2.0, **numbers})

    return change


def with_monitors(**numbers: float) -> Callable[[Message], None]:
    def change(received: Message) -> None:
        received.content[MONITORS] = MetricRecord({**numbers})

    return change


def with_bytes(data: bytes, stype: str = "numpy.ndarray") -> Callable[[Message], None]:
    def change(received: Message) -> None:
        received.content.array_records[ENCODER][VALUES] = Array("float32", (16,), stype, data)

    return change


def huge_header(received: Message) -> None:
    data = received.content.array_records[ENCODER][VALUES].data.replace(b"(16,), ", b"(4000000000000,), ")
    with_bytes(data)(received)


def two_arrays(received: Message) -> None:
    received.content.array_records[ENCODER]["head"] = Array(ones())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (without(SENDER), "malformed"),
        (without(ENCODER), "names"),
        (without(METRICS), "metrics"),
        (without(LAYOUT), "malformed"),
        (two_arrays, "names"),
        (with_layout(**{"head.0.weight": (3,)}), "names"),
        (with_layout(**{"norm.bias": None}), "names"),
        (with_layout(**{"norm.bias": (5,)}), "shape"),
        (with_layout(**{"norm.bias": (-4,)}), "shape"),
        (with_values(ones(15)), "malformed"),
        (with_values(ones().reshape(4, 4)), "malformed"),
        (with_values(ones(kind=np.float64)), "dtype"),
        (with_values(ones(kind=np.int32)), "dtype"),
        (with_values(ones(five=np.nan)), "nonfinite"),
        (with_values(ones(five=np.inf)), "nonfinite"),
        (with_values(ones(five=1000)), "norm"),
        (with_numbers(**{PATIENTS: 0}), "weight"),
        (with_numbers(**{PATIENTS: -1}), "weight"),
        (with_numbers(**{PATIENTS: 10.0}), "weight"),
        (with_numbers(**{PATIENTS: 1e9}), "weight"),
        (with_numbers(**{PATIENTS: 51}), "weight"),
        (with_numbers(**{PATIENTS: [1, 2]}), "metrics"),
        (with_numbers(loss=float("nan")), "metrics"),
        (with_numbers(bytes_up=1.0), "metrics"),
        (with_monitors(alignment=1.0, seconds=1.0), "metrics"),
        (with_bytes(b"not an array"), "malformed"),
        (with_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': __import__('os')}"), "malformed"),
        (with_bytes(b""), "malformed"),
        (with_bytes(b"\x80\x04K\x01.", stype="pickle"), "malformed"),
        (huge_header, "malformed"),
    ],
)
def test_a_wrong_reply_is_refused_with_its_code(change: Callable[[Message], None], code: str) -> None:
    received = reply()
    check(received)
    change(received)
    with pytest.raises(RefusedError) as refused:
        check(received)
    assert refused.value.code == code


CHARGES = {PATIENTS: 10, "noise_multiplier": 1.0, "sample_rate": 0.1, "steps": 40, "epsilon": 2.0}


def test_monitors_and_the_numbers_of_a_private_round_count() -> None:
    received = reply()
    with_monitors(alignment=1.0, rankme=2.0)(received)
    check(received)
    received.content[METRICS] = MetricRecord({**CHARGES})
    check_update(received, MEMBER, SCHEMA, "float32", 10.0, private=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0.0},
        {"noise_multiplier": 1e-200},
        {"sample_rate": 5.0},
        {"sample_rate": 0.0},
        {"steps": -10},
        {"steps": 40.0},
        {"epsilon": -1.0},
    ],
)
def test_what_a_private_round_cost_has_to_make_sense(wrong: dict[str, float]) -> None:
    """The bundle's ε is computed from it: at 5 there is none, and at -10 steps it would be 0."""
    received = reply()
    received.content[METRICS] = MetricRecord({**CHARGES, **wrong})
    with pytest.raises(RefusedError) as refused:
        check_update(received, MEMBER, SCHEMA, "float32", 10.0, private=True)
    assert refused.value.code == "metrics"


@pytest.mark.parametrize("sender", [Sender(site="a", run="r", round=2), Sender(site="a", run="other", round=3)])
def test_an_answer_to_another_question_is_stale(sender: Sender) -> None:
    with pytest.raises(RefusedError, match="stale"):
        check(reply(sender))


def test_an_answer_in_another_sites_name_is_refused() -> None:
    with pytest.raises(RefusedError, match="another site"):
        check(reply(Sender(site="b", run="r", round=3)))


@pytest.mark.parametrize(
    ("error", "words"),
    [(Error(SiteFailure.DEADLINE), "not done before the deadline"), (Error(5), "is gone"), (Error(77), "code 77")],
)
def test_an_error_is_told_in_words(error: Error, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        check_reply(message(error), MEMBER, "r", 3)


@pytest.mark.parametrize(("transport", "value"), [("float16", np.float16("inf")), ("bfloat16", np.int16(0x7FC0))])
def test_shorter_numbers_are_checked_as_well(transport: Transport, value: np.generic) -> None:
    received = reply()
    trained = {name: tensor + 0.1 for name, tensor in SCHEMA.items()}
    received.content.update(update_records(trained, SCHEMA, transport))
    changes = check_update(received, MEMBER, SCHEMA, transport, 10.0)
    assert changes["norm.bias"] == pytest.approx(0.1, rel=1e-2)
    with_values(np.full(16, value))(received)
    with pytest.raises(RefusedError, match=r"nonfinite|norm"):
        check_update(received, MEMBER, SCHEMA, transport, 10.0)


def test_the_site_checks_what_it_is_sent() -> None:
    read = read_tensors(RecordDict(encoder_records(SCHEMA)), ENCODER, SCHEMA)
    assert {name: array.shape for name, array in read.items()} == {"stem.weight": (4, 3), "norm.bias": (4,)}
    broken = {**SCHEMA, "norm.bias": torch.tensor([1.0, 2.0, float("nan"), 0.0])}
    with pytest.raises(RefusedError, match="nonfinite"):
        read_tensors(RecordDict(encoder_records(broken)), ENCODER, SCHEMA)
    with pytest.raises(RefusedError, match="malformed"):
        read_tensors(RecordDict(), ENCODER, SCHEMA)


def test_the_roster_bounds_a_sites_weight() -> None:
    bounded = Member("a", "train", 2, {"cohort": Size(80, 50)}, max_patients=20)
    assert (bounded.weight(10), bounded.weight(40), MEMBER.weight(40)) == (10, 20, 40)
