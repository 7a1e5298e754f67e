"""A site in a private run: what it does, refuses and lets out, and what its ledger then holds."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cape_fed.coordinator.checkpoint import new_state
from cape_fed.errors import InputError
from cape_fed.federation.evaluation import CELLS, SUMS, SUMS_INDEX, probes_records
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import METRICS, MONITORS, invitation_content, parse_introduction
from cape_fed.federation.tensors import ENCODER, LAYOUT, encoder_records
from cape_fed.lock import locked
from cape_fed.pretrain.learner import Learner
from cape_fed.privacy.budget import Spent, current_roster, exposed_patients, spending, worst_epsilon
from cape_fed.privacy.numbers import PRIVATE_NUMBERS
from cape_fed.site import handlers
from cape_fed.site.answering import answer_as
from cape_fed.site.budget import budget_lines, site_budget
from cape_fed.site.config import LEDGER, SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.ledger import ledger_of
from cape_fed.site.outgoing import Sent
from cape_fed.site.policy import Policy
from cape_fed.site.private import private_account, renew_site_roster
from cape_fed.store.counts import CohortCounts, count_store
from cape_fed.store.store import open_store
from tests.site.conftest import CONFIG, OPTIONS, content_of, message_of, request

PRIVACY = {"mode": "patient", "noise_multiplier": 2.0, "sample_rate": 0.5}
IDS = iter(range(10**6))


def private(**fields: Any) -> dict[str, Any]:
    return {"privacy": PRIVACY, "id": f"{next(IDS):032x}", **fields}


def ask(site: SiteConfig, action: str = "train", **fields: Any) -> Message:
    return answer_as(site, action, message_of(content_of(request(**fields))))


def forget_split(site: SiteConfig) -> None:
    """Remove how the run divided the patients, as a site does with what earlier runs left."""
    shutil.rmtree(site.splits(""))


def numbers(reply: Message) -> dict[str, Any]:
    assert not reply.has_error(), reply.error
    return dict(reply.content.metric_records[METRICS])


@pytest.fixture
def capped(site: SiteConfig) -> SiteConfig:
    """The site with a bound on ε, as a real one has."""
    return site.model_copy(update={"privacy": site.privacy.model_copy(update={"epsilon": 10.0})})


def test_what_leaves_is_weights_and_public_numbers(capped: SiteConfig) -> None:
    reply = ask(capped, **private(local_steps=2))
    told = numbers(reply)
    assert set(reply.content) == {"sender", METRICS, ENCODER, LAYOUT}
    assert told.keys() == PRIVATE_NUMBERS
    assert (told["patients"], told["noise_multiplier"], told["sample_rate"], told["steps"]) == (20, 2.0, 0.5, 2)
    roster = current_roster(ledger_of(capped))
    assert roster is not None
    assert roster.size == 20  # of 28 who train
    assert told["epsilon"] == worst_epsilon(spending(ledger_of(capped), roster), 1e-5)
    later = numbers(ask(capped, **private(local_steps=2, round=1)))
    assert later["steps"] == 4
    assert later["epsilon"] > told["epsilon"]


def test_the_same_seed_gives_other_weights(capped: SiteConfig) -> None:
    one, two = (ask(capped, **private(run=run * 12)) for run in "01")
    values = [reply.content.array_records[ENCODER]["values"].numpy() for reply in (one, two)]
    assert not np.array_equal(*values)


def test_steps_are_in_the_ledger_before_the_first_gradient(capped: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[int] = []

    def step(learner: Learner, *arguments: Any) -> torch.Tensor:
        entered.extend(entry.body["steps"] for entry in ledger_of(capped).entries() if entry.kind == "reserved")
        raise RuntimeError("the machine goes down")

    monkeypatch.setattr(Learner, "step", step)
    assert ask(capped, **private(local_steps=3)).error.code == SiteFailure.RAISED
    assert entered == [3]
    monkeypatch.undo()
    assert numbers(ask(capped, **private(local_steps=3)))["steps"] == 6  # what a crash leaves reserved stays spent


def test_a_message_that_comes_twice_is_refused(capped: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    fields = private()
    assert not ask(capped, **fields).has_error()
    assert ask(capped, **fields).error.code == SiteFailure.LEDGER
    assert "was in the ledger already" in caplog.text


@pytest.mark.parametrize(
    ("action", "fields", "word"),
    [
        ("train", {"measure": True}, "not in a private run"),
        ("train", {"sums": OPTIONS}, "not in a private run"),
        ("evaluate", {}, "not in a private run"),
        ("evaluate", {"sums": OPTIONS}, "not in a private run"),
        ("train", {"method": "scaffold"}, "sends control"),
        ("train", {"method": "fedbn"}, "statistics of patients at the sites"),
        ("train", {"config": {"model": "tiny", "norm": "batch"}}, "take norm=group"),
        ("train", {"config": {"model": "tiny", "batching": "random"}}, "take batching=idb"),
        ("train", {"config": {"model": "tiny", "positives": "patient"}}, "take positives=both"),
        ("train", {"id": ""}, "has to have an id"),
    ],
)
def test_what_would_void_the_guarantee_is_refused(
    capped: SiteConfig, action: str, fields: dict[str, Any], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(capped, action, **private(**fields)).error.code == SiteFailure.PRIVACY
    assert word in caplog.text
    assert ledger_of(capped).entries() == []


def test_probes_are_refused_too(capped: SiteConfig) -> None:
    content = content_of(request(**private()), extra=probes_records({}, 160, OPTIONS))
    assert answer_as(capped, "evaluate", message_of(content)).error.code == SiteFailure.PRIVACY


def test_the_cap_holds_whatever_is_asked(capped: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    weak = {**PRIVACY, "noise_multiplier": 0.4}
    assert ask(capped, **private(privacy=weak)).error.code == SiteFailure.EPSILON
    assert "ε would go from 0.00 to" in caplog.text
    assert "privacy.epsilon in site.toml allows 10" in caplog.text
    assert ask(capped, **private(total_steps=10**5)).error.code == SiteFailure.EPSILON  # which could not end well
    assert not [entry for entry in ledger_of(capped).entries() if entry.kind == "reserved"]


def test_noise_is_found_for_the_epsilon_of_the_whole_run(capped: SiteConfig) -> None:
    asked = {"mode": "patient", "epsilon": 4.0, "sample_rate": 1.0}
    told = [numbers(ask(capped, **private(privacy=asked, round=step)))["epsilon"] for step in range(4)]
    assert told == sorted(told)
    assert 3.98 < told[-1] <= 4.0


@pytest.mark.parametrize(("fields", "exposed"), [({}, 28), ({"sums": OPTIONS}, 32), ({"measure": True}, 4)])
def test_whatever_leaves_without_privacy_is_infinite_from_then_on(
    capped: SiteConfig, fields: dict[str, Any], exposed: int
) -> None:
    action = "evaluate" if fields else "train"
    for step in range(2):
        assert not ask(capped, action, round=step, **fields).has_error()
    assert [entry.kind for entry in ledger_of(capped).entries()] == ["opened", "exposed"]
    assert len(exposed_patients(ledger_of(capped))) == exposed
    assert f"ε = ∞ for {exposed} patients" in "\n".join(budget_lines(site_budget(capped)))
    forget_split(capped)  # in another run others train
    reply = ask(capped, **private(run="1" * 12, config={"model": "tiny", "split": {"seed": 3}}))
    assert reply.error.code == SiteFailure.EPSILON
    assert "patients: ε = ∞" in "\n".join(budget_lines(site_budget(capped))).partition("roster")[2]


def test_whoever_is_scored_by_probes_is_infinite(capped: SiteConfig) -> None:
    content = content_of(request(), extra=probes_records({}, 160, OPTIONS))
    assert not answer_as(capped, "evaluate", message_of(content)).has_error()
    assert len(exposed_patients(ledger_of(capped))) == 40


def test_who_is_evaluated_at_a_site_that_does_not_train_is_infinite(capped: SiteConfig) -> None:
    site = capped.model_copy(update={"role": "evaluate"})
    assert not ask(site, "evaluate", role="evaluate", measure=True).has_error()
    assert len(exposed_patients(ledger_of(site))) == 40


def test_who_trains_in_private_and_is_held_out_for_another_run_is_infinite(capped: SiteConfig) -> None:
    assert not ask(capped, **private()).has_error()
    roster = current_roster(ledger_of(capped))
    assert roster is not None
    other = {"model": "tiny", "train": {"pairs": 8}, "split": {"seed": 5, "valid": 0.25}}
    forget_split(capped)
    assert not ask(capped, "evaluate", run="1" * 12, config=other, measure=True).has_error()
    assert exposed_patients(ledger_of(capped)) & roster.members
    assert ask(capped, **private(round=1)).error.code == SiteFailure.EPSILON


def test_everybody_is_entered_where_a_site_that_could_train_evaluates(capped: SiteConfig, tiny_store: Any) -> None:
    """Of an evaluating site all patients are scored, those who came after its roster included."""
    assert not ask(capped, **private()).has_error()
    grown = tiny_store("grown", patients=60)
    grown.meta = grown.meta.model_copy(update={"cohort": "a"})
    later = capped.model_copy(update={"stores": (grown.path,)})
    content = content_of(request(role="evaluate"), extra=probes_records({}, 160, OPTIONS))
    assert not answer_as(later, "evaluate", message_of(content)).has_error()
    assert len(exposed_patients(ledger_of(later))) == 60


def test_a_split_that_is_drawn_anew_is_entered_anew(capped: SiteConfig) -> None:
    """What a run left at the site goes when later runs come, and the coordinator may then ask for another split."""
    for seed in (1, 2):
        assert not ask(capped, config={"model": "tiny", "train": {"pairs": 8}, "split": {"seed": seed}}).has_error()
        forget_split(capped)
    assert len(exposed_patients(ledger_of(capped))) > 28
    assert [entry.kind for entry in ledger_of(capped).entries()] == ["opened", "exposed", "exposed"]


@pytest.mark.parametrize("name", ["run 000000000000 without differential privacy", "x" * 32, "A" * 32, "0" * 31])
def test_a_message_cannot_be_named_like_what_the_site_enters(capped: SiteConfig, name: str) -> None:
    content = content_of(request(**private()))
    record = dict(content.config_records["request"])
    content.config_records["request"] = ConfigRecord(
        {"json": str(record["json"]).replace(f"{next(IDS) - 1:032x}", name)}
    )
    assert answer_as(capped, "train", message_of(content)).error.code == SiteFailure.MALFORMED
    assert ledger_of(capped).entries() == []


def test_monitors_are_of_as_many_patients_as_any_number(capped: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    for least, told in ((4, True), (5, False)):
        site = capped.model_copy(update={"limits": capped.limits.model_copy(update={"min_patients": least})})
        reply = ask(site, "evaluate", measure=True)
        assert bool(dict(reply.content.metric_records[MONITORS])) == told
    assert "too few patients for monitors" in caplog.text


@pytest.mark.parametrize("epsilon", [10.0, math.inf])
def test_an_encoder_that_has_seen_the_patients_is_refused(
    capped: SiteConfig, epsilon: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where the site sets no bound: what the run says of its ε would not be true."""
    site = capped.model_copy(update={"privacy": capped.privacy.model_copy(update={"epsilon": epsilon})})
    seen = {"a": CohortCounts(records=9, patients=9)}
    assert ask(site, **private(seen=seen)).error.code == SiteFailure.EPSILON
    assert "has seen cohort a without differential privacy" in caplog.text
    assert not exposed_patients(ledger_of(site))  # a name is the coordinator's word
    same = count_store(open_store(site.stores[0]))
    assert ask(site, **private(seen={"SITE-1/cohort-1": same})).error.code == SiteFailure.EPSILON
    assert len(exposed_patients(ledger_of(site))) == 40
    other = {name: CohortCounts(records=9, patients=9, fingerprint="withheld") for name in ("b", "elsewhere/a")}
    fresh = site.model_copy(update={"state": site.state.with_name("fresh")})
    assert not ask(fresh, **private(seen=other)).has_error()


def test_a_site_can_insist_on_privacy(capped: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    strict = capped.model_copy(update={"privacy": capped.privacy.model_copy(update={"required": True})})
    for action, fields in (("train", {}), ("evaluate", {"sums": OPTIONS})):
        assert ask(strict, action, **fields).error.code == SiteFailure.PRIVACY  # type: ignore[arg-type]
    assert "privacy.required is set" in caplog.text
    assert not ask(strict, **private()).has_error()
    introduced = parse_introduction(answer_as(strict, "join", message_of(RecordDict())).content)
    assert introduced.cohorts["a"].patients == 40


@pytest.mark.parametrize(("asked", "patients"), [(True, 40), (False, 44)])
def test_a_private_run_learns_rounded_counts(capped: SiteConfig, tiny_store: Any, asked: bool, patients: int) -> None:
    wider = capped.model_copy(update={"stores": (tiny_store("w", patients=44).path,)})
    introduced = parse_introduction(answer_as(wider, "join", message_of(invitation_content("", private=asked))).content)
    assert introduced.cohorts["w"].patients == patients
    assert (introduced.cohorts["w"].fingerprint == "withheld") == asked


def test_exact_counts_do_not_pass_the_gate(capped: SiteConfig) -> None:
    with pytest.raises(PolicyError, match="rounded counts only"):
        Policy(capped).release(Sent("join", private=True), handlers.join(capped))


def test_two_sites_with_one_ledger(capped: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    assert not ask(capped, **private()).has_error()
    assert ask(capped.model_copy(update={"name": "b"}), **private()).error.code == SiteFailure.LEDGER
    assert "site b" in caplog.text
    assert "is the ledger of site a: two sites cannot share one" in caplog.text


def test_two_nodes_of_one_site_at_a_time(capped: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    with locked(capped.state / LEDGER / "in-use.lock"):
        assert ask(capped, **private()).error.code == SiteFailure.LEDGER
    assert "site a: another process trains with this ledger" in caplog.text
    assert not ask(capped, **private()).has_error()


def test_a_ledger_that_was_tampered_with_stops_every_kind_of_training(capped: SiteConfig) -> None:
    assert not ask(capped, **private()).has_error()
    ledger_of(capped).path.unlink()
    assert ask(capped, **private()).error.code == SiteFailure.LEDGER
    assert ask(capped, run="1" * 12).error.code == SiteFailure.LEDGER


def _spent(site: SiteConfig) -> list[Spent]:
    roster = current_roster(ledger_of(site))
    assert roster is not None
    return spending(ledger_of(site), roster)


def test_renewing_leaves_the_withdrawn_and_the_exposed_out(capped: SiteConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no roster yet"):
        renew_site_roster(capped, unspent=False)
    assert not ask(capped, **private()).has_error()
    before = current_roster(ledger_of(capped))
    renewed = renew_site_roster(capped, unspent=False)
    assert before is not None
    held_out = {*before.cohorts["a"].valid, *before.cohorts["a"].test}
    assert len(held_out) == 12
    assert not renewed.members & held_out
    assert not ask(capped, **private(run="1" * 12)).has_error()
    groups = {spent.patients: sum(charge.steps for charge in spent.charges) for spent in _spent(capped)}
    both = len(renewed.members & before.members)
    assert groups.get(both) == 2  # one step under each roster
    assert not ask(capped, run="2" * 12).has_error()
    with pytest.raises(InputError, match="0 patients for a roster"):
        renew_site_roster(capped, unspent=True)


# The gate -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def entered(capped: SiteConfig) -> tuple[Policy, Sent, dict[str, Any]]:
    """A policy, a private message whose steps are in the ledger, and the records of a right reply to it."""
    asked = request(**private())
    encoder = new_state(CONFIG).encoder
    with private_account(asked, capped) as account:
        told = dict(account.numbers)
    records = {**encoder_records(encoder), METRICS: MetricRecord(told)}
    return Policy(capped), Sent("train", asked, encoder), records


KNOWN = (SUMS, SUMS_INDEX, MONITORS, CELLS, "control", "control-layout", "head", "loss", "embedded")
NAMES = st.sampled_from(KNOWN) | st.text(min_size=1, max_size=12)
VALUES: st.SearchStrategy[Callable[[], Any]] = st.sampled_from(
    [
        lambda: MetricRecord({"loss": 1.0}),
        lambda: ConfigRecord({"json": "[]"}),
        lambda: ArrayRecord({"values": Array(np.zeros(3))}),
    ]
)
once = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_right_reply_passes(entered: tuple[Policy, Sent, dict[str, Any]]) -> None:
    policy, sent, records = entered
    assert set(policy.release(sent, dict(records))) == {"sender", *records}


@once
@given(name=NAMES, value=VALUES)
def test_no_other_record_passes(
    entered: tuple[Policy, Sent, dict[str, Any]], name: str, value: Callable[[], Any]
) -> None:
    policy, sent, records = entered
    if name in records:
        return
    with pytest.raises(PolicyError, match="may not hold a record"):
        policy.release(sent, {**records, name: value()})


@once
@given(
    name=st.sampled_from(["loss", "seconds", "clipped", "blocks", "norm", *sorted(PRIVATE_NUMBERS)]),
    value=st.integers(-5, 10**6) | st.floats(allow_nan=True, allow_infinity=True),
)
def test_no_other_number_passes(entered: tuple[Policy, Sent, dict[str, Any]], name: str, value: float) -> None:
    """Neither a number of another name nor another value of one on the list: all of them follow from the ledger."""
    policy, sent, records = entered
    told = dict(records[METRICS])
    if told.get(name) == value and isinstance(value, type(told[name])):
        return
    if name == "patients" and isinstance(value, float):
        value = math.floor(value) + 0.5 if math.isfinite(value) else value
    with pytest.raises(PolicyError):
        policy.release(sent, {**records, METRICS: MetricRecord({**told, name: value})})


def test_nothing_passes_in_answer_to_another_kind_of_message(entered: tuple[Policy, Sent, dict[str, Any]]) -> None:
    policy, sent, records = entered
    with pytest.raises(PolicyError, match="may not hold a record"):
        policy.release(Sent("evaluate", sent.request, sent.encoder), dict(records))


def test_weights_whose_steps_are_not_in_the_ledger_stay(entered: tuple[Policy, Sent, dict[str, Any]]) -> None:
    policy, sent, records = entered
    assert sent.request is not None
    other = Sent("train", sent.request.model_copy(update={"id": "another"}), sent.encoder)
    with pytest.raises(PolicyError, match="the steps are not in the ledger"):
        policy.release(other, dict(records))


def test_messages_at_the_same_time_are_taken_one_by_one_or_refused(capped: SiteConfig) -> None:
    replies: list[Message] = []
    asked = [content_of(request(**private(run=str(number) * 12))) for number in range(3)]
    work = [
        threading.Thread(target=lambda content=content: replies.append(answer_as(capped, "train", message_of(content))))  # type: ignore[misc]
        for content in asked
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    done = [reply for reply in replies if not reply.has_error()]
    assert {reply.error.code for reply in replies if reply.has_error()} <= {SiteFailure.LEDGER}
    reserved = [entry for entry in ledger_of(capped).entries() if entry.kind == "reserved"]
    assert len(reserved) == len(done) >= 1
