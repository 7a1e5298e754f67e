"""What is asked of whom, which replies count, and what those that do not count cost their site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from flwr.app import Message, RecordDict

from cape_fed.coordinator.checkpoint import Facts, RunState
from cape_fed.coordinator.correspondence import Correspondence
from cape_fed.coordinator.exchange import Exchange
from cape_fed.coordinator.membership import Membership
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.config import FederationConfig
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import METRICS, Request, Sender, number_record, read_request, sender_record
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.plausibility import Size
from cape_fed.federation.roster import Member, RosterEntry
from cape_fed.federation.tensors import encoder_records
from cape_fed.methods.registry import complete_options, make_method
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.privacy.numbers import PATIENTS
from cape_fed.release.provenance import Provenance
from tests.coordinator.scripted import ScriptedGrid

ENCODER = {"stem.weight": torch.ones(4, 3), "norm.bias": torch.ones(4)}
RUN = "0123456789ab"
Answers = Callable[[Request], RecordDict | int | None]


def reply(site: str, asked: Request, *, patients: int = 10, moved: float = 1.1, run: str = RUN) -> RecordDict:
    numbers = number_record({PATIENTS: patients, "loss": 1.0, "seconds": 2.0})
    changed = {name: moved * value for name, value in ENCODER.items()}
    sender = sender_record(Sender(site=site, run=run, round=asked.round))
    return RecordDict({**sender, METRICS: numbers, **encoder_records(changed)})


class Sites:
    """Three training sites of 40 patients each and one that evaluates; each answers as it is told."""

    def __init__(self, *, roster: bool = True, **settings: Any) -> None:
        self.asked: list[tuple[str, Request]] = []
        self.grid = ScriptedGrid()
        self.answers: dict[str, Answers] = {}
        plan = FederationPlan(PretrainConfig(), FederationConfig(**settings), EvaluateOptions(), Provenance())
        roles = {"a": "train", "b": "train", "c": "train", "e": "evaluate"}
        entries = {name: RosterEntry.model_validate({"role": role}) for name, role in roles.items()}
        exchange = Exchange(self.grid)
        self.membership = Membership(self.grid, exchange, entries if roster else None)
        for node, (name, role) in enumerate(roles.items(), start=2):
            self.grid.add(node, name, self._script(name))
            self.membership.members[name] = Member(name, role, node, {"c": Size(80, 40)})  # type: ignore[arg-type]
            self.answers[name] = lambda asked, name=name: reply(name, asked)  # type: ignore[misc]
        self.membership._heard = dict.fromkeys(self.grid.nodes, "1.0")
        options = complete_options("fedavg", {})
        self.state = RunState(Facts(run=RUN), dict(ENCODER))
        self.of = Correspondence(plan, make_method("fedavg", options, ENCODER), self.state, exchange, self.membership)

    def _script(self, name: str) -> Callable[[Message], RecordDict | int | None]:
        def answer(message: Message) -> RecordDict | int | None:
            asked = read_request(message)
            self.asked.append((name, asked))
            return self.answers[name](asked)

        return answer

    def train(self, number: int = 0, **wishes: Any) -> dict[str, Any]:
        """One round: the updates that counted."""
        train, others = self.of.members("train"), self.of.members("evaluate")
        answers = self.of.ask_round(number, train, others, {}, **{"measure": False, "sums": None, **wishes})
        trained = {name: answer for name, answer in answers.items() if answer.member.role == "train"}
        return self.of.updates(number, trained)

    @property
    def standing(self) -> Mapping[str, int]:
        return self.state.facts.standing.strikes


def test_every_member_is_asked_once_in_its_role_and_updates_are_what_changed() -> None:
    sites = Sites()
    updates = sites.train()
    assert [(name, asked.role) for name, asked in sites.asked] == [
        ("a", "train"), ("b", "train"), ("c", "train"), ("e", "evaluate"),
    ]  # fmt: skip
    assert {asked.run for _, asked in sites.asked} == {RUN}
    assert list(updates) == ["a", "b", "c"]
    assert updates["a"].weight == 10
    for name, value in ENCODER.items():
        torch.testing.assert_close(
            torch.from_numpy(updates["a"].changes[name]), 0.1 * value.double(), atol=1e-6, rtol=0
        )
    assert sites.of.take_trouble() == []


def test_sums_are_asked_of_sites_that_train_and_give_them() -> None:
    sites = Sites()
    member = sites.membership.members["b"]
    sites.membership.members["b"] = Member("b", "train", member.node, member.cohorts, parts=("train",))
    sites.train(measure=True, sums=EvaluateOptions())
    asked = dict(sites.asked)
    assert {name: request.sums is not None for name, request in asked.items()} == {
        "a": True, "b": False, "c": True, "e": False,
    }  # fmt: skip
    assert {name: request.measure for name, request in asked.items()} == {"a": True, "b": False, "c": True, "e": True}


def test_a_site_gives_up_before_the_coordinator_does() -> None:
    for deadline in (1.0, 100.0, 3600.0):
        sites = Sites(round_deadline=deadline)
        sites.train()
        assert all(0.8 * deadline <= asked.seconds < deadline for _, asked in sites.asked)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"patients": 41}, "weight"),
        ({"patients": 0}, "weight"),
        ({"moved": 1e6}, "norm"),
        ({"moved": float("nan")}, "nonfinite"),
        ({"run": "ffffffffffff"}, "stale"),
        ({"site": "a"}, "sender"),
    ],
)
def test_a_reply_that_does_not_count_costs_its_site_a_strike_and_no_other(wrong: dict[str, Any], reason: str) -> None:
    sites = Sites(strikes=2)
    sites.answers["b"] = lambda asked: reply(**{"site": "b", "asked": asked, **wrong})
    assert list(sites.train()) == ["a", "c"]
    (trouble,) = sites.of.take_trouble()
    assert (trouble["site"], trouble["what"]) == ("b", "refused")
    assert trouble["reason"] == reason
    assert sites.standing == {"b": 1}
    assert sites.of.take_trouble() == []
    sites.train(1)
    assert [member.name for member in sites.of.members("train")] == ["a", "c"]
    assert sites.of.lacking(["a", "c"]) is None
    assert "1 of 3 training sites" in str(sites.of.lacking(["a"]))


def test_a_failing_site_is_barred_after_as_many_rounds_and_back_once_started_anew() -> None:
    sites = Sites(strikes=2)
    sites.answers["c"] = lambda asked: int(SiteFailure.STORES)
    for number in range(2):
        assert list(sites.train(number)) == ["a", "b"]
        assert [found["what"] for found in sites.of.take_trouble()] == ["failed"]
    assert [member.name for member in sites.of.members("train")] == ["a", "b"]
    sites.membership.admitted.append("c")
    sites.of.refresh()
    assert [member.name for member in sites.of.members("train")] == ["a", "b", "c"]


def test_a_site_that_leaves_is_dismissed_and_still_missing_in_the_quorum() -> None:
    sites = Sites(quorum=1.0)
    sites.answers["a"] = lambda asked: int(SiteFailure.LEFT)
    assert list(sites.train()) == ["b", "c"]
    assert "a" not in sites.membership.members
    assert sites.standing == {}
    assert sites.of.lacking(["b", "c"]) == "2 of 3 training sites, 3 needed"


def test_what_a_quarantined_site_said_of_its_patients_does_not_count() -> None:
    sites = Sites(quorum=0.3, quorum_patients=0.9)
    sites.state.facts.patients = {"a": 40, "b": 40, "c": 10_000}
    assert sites.of.lacking(["a", "b"]) == "80 of 10080 training patients, 9072 needed"
    sites.state.facts.standing.quarantined["c"] = "norm"
    assert sites.of.lacking(["a", "b"]) is None


def test_without_a_roster_sites_of_earlier_rounds_belong_to_the_quorum() -> None:
    sites = Sites(roster=False)
    sites.state.facts.patients = {"gone": 40}
    assert sites.of.trainers() == {"a", "b", "c", "gone"}


def test_what_sites_gave_is_remembered() -> None:
    sites = Sites()
    for number in (0, 1):
        answers = sites.of.ask_round(number, sites.of.members("train"), [], {}, measure=False, sums=None)
        updates = sites.of.updates(number, answers)
        updates.pop("b")
        sites.of.take_part(number, answers, updates)
    given = sites.state.facts.participation
    assert set(given) == {"a", "c"}
    assert (given["a"].rounds, given["a"].last_round, given["a"].patients, given["a"].cohorts) == (2, 1, 10, ["c"])


def test_an_error_of_flowers_own_is_a_failure_in_words() -> None:
    sites = Sites()
    sites.answers["b"] = lambda asked: 8
    assert "b" not in sites.train()
    (trouble,) = sites.of.take_trouble()
    assert trouble["what"] == "failed"
    assert trouble["reason"].islower()
