"""The one gate: nothing reaches a reply past it, and it lets nothing through that is not on its list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.targets.support import support_of
from cape_fed.federation.evaluation import SUMS, probes_records, read_sums, sums_records
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import METRICS, MONITORS, Records
from cape_fed.federation.plausibility import Size
from cape_fed.federation.tensors import array_records, encoder_records
from cape_fed.methods.registry import METHODS
from cape_fed.site import handlers
from cape_fed.site.answering import answer_as
from cape_fed.site.config import Limits, SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.outgoing import Sent
from cape_fed.site.policy import Policy
from tests.conftest import TinyStore
from tests.site.conftest import CONFIG, OPTIONS, content_of, message_of, request

DIM = 160
MESSAGES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "join": ("join", {}, False),
    "train": ("train", {}, False),
    "train and measure": ("train", {"measure": True}, False),
    "train and sums": ("train", {"sums": OPTIONS, "measure": True}, False),
    "train in fewer bits": ("train", {"transport": "bfloat16"}, False),
    "evaluate": ("evaluate", {"measure": True}, False),
    "sums without training": ("evaluate", {"sums": OPTIONS}, False),
    "probes": ("evaluate", {}, True),
    **{f"train by {name}": ("train", {"method": name}, False) for name in METHODS},
}
"""Every kind of message: action, fields of its request, and whether probes come with it."""


def ask(site: SiteConfig, action: str, fields: dict[str, Any], probes: bool) -> Message:
    extra = probes_records({}, DIM, OPTIONS) if probes else {}
    content = RecordDict() if action == "join" else content_of(request(**fields), extra=extra)
    return answer_as(site, action, message_of(content))


@pytest.mark.parametrize("kind", MESSAGES)
def test_nothing_reaches_a_reply_past_the_gate(site: SiteConfig, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[RecordDict] = []
    release = Policy.release

    def watched(policy: Policy, sent: Sent, records: Records) -> RecordDict:
        released.append(release(policy, sent, records))
        return released[-1]

    monkeypatch.setattr(Policy, "release", watched)
    reply = ask(site, *MESSAGES[kind])
    assert not reply.has_error(), reply.error
    assert len(released) == 1
    assert reply.content is released[0]
    assert len(reply.content) > 0


@pytest.mark.parametrize("kind", MESSAGES)
def test_what_a_gate_holds_back_does_not_leave(site: SiteConfig, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(policy: Policy, sent: Sent, records: Records) -> RecordDict:
        raise PolicyError("the gate is shut")

    monkeypatch.setattr(Policy, "release", shut)
    reply = ask(site, *MESSAGES[kind])
    assert reply.error.code == SiteFailure.POLICY
    assert not reply.error.reason


def test_replies_are_made_in_three_files_only() -> None:
    """A Message that answers is built at the gate, where a site cannot be read, and where an app is refused."""
    made = {
        path.name for path in sorted(Path(handlers.__file__).parent.glob("*.py")) if "reply_to" in set(_names(path))
    }
    assert made == {"answering.py", "app.py", "flower.py"}


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg


@pytest.mark.parametrize(
    "planted",
    [
        {"patients": ConfigRecord({"names": "Jane Roe"})},
        {"head": ArrayRecord({"values": Array(np.zeros(3))})},
        {"embedded": ArrayRecord({"values": Array(np.zeros(3))})},
        {"metrics-2": MetricRecord({"loss": 1.0})},
    ],
)
def test_a_record_that_a_handler_slips_in_stays(
    site: SiteConfig, planted: Records, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train = handlers.train
    monkeypatch.setattr(handlers, "train", lambda *arguments: {**train(*arguments), **planted})
    assert ask(site, "train", {}, False).error.code == SiteFailure.POLICY
    assert f"may not hold a record '{next(iter(planted))}'" in caplog.text


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (
            {METRICS: MetricRecord({"loss": 1.0, "patients": 9, "age": 71.0})},
            "'age' is not on the list",
        ),
        ({METRICS: MetricRecord({"loss": [1.0, 2.0]})}, "'loss' is a list"),
        ({METRICS: MetricRecord({"loss": float("nan")})}, "'loss' is a list or not finite"),
        ({METRICS: ConfigRecord({"loss": "1.0"})}, "not a record of numbers"),
        (encoder_records({"head.weight": torch.zeros(3)}), "its tensors are not the encoder's"),
        (encoder_records({"stem.weight": torch.zeros(3)}), "its tensors are not the encoder's"),
    ],
)
def test_a_field_that_is_not_on_the_list_stays(
    site: SiteConfig, spoilt: Records, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train = handlers.train
    monkeypatch.setattr(handlers, "train", lambda *arguments: {**train(*arguments), **spoilt})
    assert ask(site, "train", {}, False).error.code == SiteFailure.POLICY
    assert words in caplog.text


def test_a_training_record_does_not_leave_with_an_evaluation(site: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = handlers.evaluate
    loss: Records = {METRICS: MetricRecord({"loss": 1.0})}
    monkeypatch.setattr(handlers, "evaluate", lambda *arguments: {**evaluate(*arguments), **loss})
    assert ask(site, "evaluate", {}, False).error.code == SiteFailure.POLICY


def test_monitors_leave_only_where_they_were_asked_for(site: SiteConfig) -> None:
    policy, records = Policy(site), {MONITORS: MetricRecord({"rankme": 3.0})}
    assert MONITORS in policy.release(Sent("evaluate", request(measure=True)), dict(records))
    with pytest.raises(PolicyError, match="may not hold a record 'monitors'"):
        policy.release(Sent("evaluate", request()), dict(records))


def test_a_methods_records_leave_only_under_that_method(site: SiteConfig) -> None:
    policy = Policy(site)
    tensors = {"stem.weight": torch.zeros(2, 3)}
    records = array_records("control", tensors)
    assert "control" in policy.release(Sent("train", request(method="scaffold"), tensors), dict(records))
    with pytest.raises(PolicyError, match="may not hold a record 'control'"):
        policy.release(Sent("train", request(), tensors), dict(records))
    other = array_records("control", {"stem.weight": torch.zeros(2, 4)})
    with pytest.raises(PolicyError, match="may not leave the site as it is"):
        policy.release(Sent("train", request(method="scaffold"), tensors), dict(other))


def test_the_site_and_the_run_stand_on_every_reply(site: SiteConfig) -> None:
    content = Policy(site).release(Sent("evaluate", request(round=3)), {})
    assert '"site":"a"' in str(content.config_records["sender"]["json"])
    assert '"round":3' in str(content.config_records["sender"]["json"])


def test_an_evaluation_cannot_go_below_the_sites_minimum(site: SiteConfig) -> None:
    policy = Policy(site.model_copy(update={"limits": site.limits.model_copy(update={"min_patients": 20})}))
    assert policy.evaluation(EvaluateOptions(min_patients=1)).min_patients == 20
    assert policy.evaluation(EvaluateOptions(min_patients=50)).min_patients == 50


def test_the_site_sets_the_longest_time(site: SiteConfig) -> None:
    policy = Policy(site.model_copy(update={"limits": site.limits.model_copy(update={"minutes": 2.0})}))
    assert policy.seconds(1000.0, None) == 120.0
    assert policy.seconds(100.0, None) == 100.0
    assert policy.seconds(1000.0, request(seconds=60.0)) == 60.0


def sums_of(patients: int, width: int, valid: int = 0, positive: float = 0.5) -> dict[str, ProbeSums]:
    """Sums of one label over as many train, and then validation, patients with a record each."""
    rng = np.random.default_rng(0)
    x, codes = rng.standard_normal((patients + valid, width)), np.arange(patients + valid)
    target = (codes % 100 < 100 * positive).astype(float)
    train, validated = slice(0, patients), slice(patients, None)
    return {
        "AF": ProbeSums(
            Moments.of(x[train], target[train]),
            Moments.of(x[validated], target[validated]) if valid else Moments.zero(width),
            support_of(target[train], codes[train]),
            support_of(target[validated], codes[validated]),
        )
    }


@pytest.mark.parametrize(
    ("sums", "most"),
    [
        (sums_of(400, 9), None),
        (sums_of(400, 10), 9),  # 9 · 11 is at most 400 · 4 / 15 for Σxxᵀ, 10 · 12 is more
        (sums_of(400, 6, positive=0.2), 5),  # 80 / 15 for Σx of the positive ones
        (sums_of(400, 5, positive=0.2), None),
        (sums_of(400, 5, valid=100), 3),  # 50 / 15
        (sums_of(400, 3, valid=100), None),
    ],
)
def test_sums_leave_only_over_as_many_dimensions_as_their_patients_allow(
    site: SiteConfig, sums: dict[str, ProbeSums], most: int | None
) -> None:
    asked = request(sums=OPTIONS.model_copy(update={"dimensions": 20}))
    sent = Sent("train", asked, cohorts={"a": Size(10_000, 10_000)})
    if most is None:
        assert SUMS in Policy(site).release(sent, sums_records(sums))
        return
    with pytest.raises(PolicyError, match=f"sums of task AF are over .* its patients allow {most}$"):
        Policy(site).release(sent, sums_records(sums))


def test_sums_over_more_dimensions_than_were_asked_for_stay(site: SiteConfig) -> None:
    asked = request(sums=OPTIONS.model_copy(update={"dimensions": 2}))
    sent = Sent("train", asked, cohorts={"a": Size(10_000, 10_000)})
    with pytest.raises(PolicyError, match="more than 2 dimensions"):
        Policy(site).release(sent, sums_records(sums_of(400, 3)))


def test_a_site_can_want_more_patients_for_a_dimension_and_no_fewer(site: SiteConfig) -> None:
    strict = site.model_copy(update={"limits": Limits(min_patients=2, patients_per_dimension=50)})
    sent = Sent("train", request(sums=OPTIONS.model_copy(update={"dimensions": 8})), cohorts={"a": Size(999, 999)})
    with pytest.raises(PolicyError, match=r"allow 4$"):
        Policy(strict).release(sent, sums_records(sums_of(400, 5)))
    with pytest.raises(ValueError, match="greater than or equal to 15"):
        Limits(patients_per_dimension=14)


def test_a_coordinator_that_asks_for_more_than_the_patients_allow_gets_nothing(site: SiteConfig) -> None:
    reply = ask(site, "train", {"sums": OPTIONS.model_copy(update={"dimensions": 3})}, False)
    assert not reply.has_error()
    assert read_sums(reply.content, 3, Size(999, 40)) == {}
    few = ask(site, "train", {"run": "1" * 12, "sums": OPTIONS}, False)
    assert set(read_sums(few.content, 1, Size(999, 40))) >= {"age"}


def test_the_records_of_sums_are_those_of_the_sites_own_minimum_whatever_is_asked_for(
    site: SiteConfig, tiny_store: TinyStore
) -> None:
    """Whoever got age of all, and age of those with AF, would know those without AF by the difference."""
    store = tiny_store("b", patients=90, repeats=[1], AF=[*[None] * 3, *[True] * 30, *[False] * 57], LVH=[None] * 90)
    other = site.model_copy(update={"stores": (store.path,)})
    replies = [
        ask(other, "train", {"sums": OPTIONS.model_copy(update={"min_patients": least})}, False) for least in (2, 30)
    ]
    few, many = (read_sums(reply.content, 1, Size(999, 90)) for reply in replies)
    assert "AF" in few
    assert "AF" not in many
    assert few["age"].support == many["age"].support
    np.testing.assert_array_equal(few["age"].train.xx, many["age"].train.xx)


@pytest.mark.parametrize("dimensions", [None, DIM + 1])
def test_sums_without_dimensions_are_not_given(site: SiteConfig, dimensions: int | None) -> None:
    asked = OPTIONS.model_copy(update={"dimensions": dimensions})
    assert ask(site, "train", {"sums": asked}, False).error.code == SiteFailure.SUMS


@pytest.mark.parametrize("change", ["seed", "dimensions"])
def test_a_run_gets_sums_by_one_projection_only(
    site: SiteConfig, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = {"sums": OPTIONS}
    other = {"sums": OPTIONS.model_copy(update={"dimensions": 2})}
    if change == "seed":
        other = {"sums": OPTIONS, "config": CONFIG.model_copy(update={"seed": 1})}
    assert not ask(site, "train", first, False).has_error()
    assert not ask(site, "train", first, False).has_error()
    assert ask(site, "train", other, False).error.code == SiteFailure.SUMS
    assert "other dimensions than before" in caplog.text
