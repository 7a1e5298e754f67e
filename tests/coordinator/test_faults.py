"""Every fault of a site on the in-process engine: named, with a reason, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import Error, Message, RecordDict
from safetensors.torch import load_file

from cape_fed.config import RunConfig
from cape_fed.errors import InputError, RunError
from cape_fed.federation.fab import app_hash
from cape_fed.federation.failures import SiteFailure
from cape_fed.federation.messages import SITE, Introduction, introduction_records, parse_introduction
from cape_fed.federation.roster import RosterEntry
from cape_fed.progress import Progress
from cape_fed.release.bundle import load_encoder
from cape_fed.rundir import RunDirectory, read_metrics
from cape_fed.status import read_status
from tests.conftest import TinyStore
from tests.faults import CORRUPTIONS
from tests.federation.helpers import make_cohorts
from tests.federation.leading import FaultyGrid, lead

FEDERATION = {"rounds": 3, "local_steps": 1, "evaluate": False, "measure_every": 9, "round_deadline": 30.0}


@pytest.fixture
def root(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Path:
    make_cohorts(tiny_store, ["a", "b", "c", "d"], [16, 16, 16, 12])
    return tmp_path


def config(root: Path, out: str = "run", **federation: Any) -> RunConfig:
    data = {"train": [root / name for name in "abc"], "evaluate": [root / "d"]}
    return RunConfig.model_validate(
        {
            "model": "tiny",
            "train": {"pairs": 8, "learning_rate": 5e-4},
            "federation": {**FEDERATION, **federation},
            "data": data,
            "out": root / out,
        }
    )


def missing(run: RunDirectory) -> list[list[str]]:
    return [line["missing"] for line in read_metrics(run.metrics) if "loss" in line]


def log(run: RunDirectory) -> str:
    return run.log.read_text()


def stop_after(rounds: int) -> Callable[[FaultyGrid], Progress]:
    """Interrupt the coordinator once so many rounds are done."""

    def report(done: int, total: int, line: dict[str, Any]) -> None:
        if done == rounds:
            raise KeyboardInterrupt

    return lambda grid: report


@pytest.mark.parametrize("fault", CORRUPTIONS)
def test_a_spoilt_reply_is_refused_by_name_and_code_and_the_run_goes_on(root: Path, fault: str) -> None:
    run = lead(config(root, strikes=9), {"b": f"{fault}@1"})
    assert missing(run) == [[], ["b"], []]
    assert f"round 1: the reply of site b was refused: {CORRUPTIONS[fault][1]}" in log(run)
    assert all(bool(torch.isfinite(value).all()) for value in load_file(run.bundle / "model.safetensors").values())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raise@1", "round 1: site b failed; its own log says why"),
        (lambda message, answer: Message(Error(5), reply_to=message), "site b is gone"),
    ],
)
def test_an_error_is_told_in_words_and_the_run_goes_on(root: Path, fault: Any, words: str) -> None:
    if callable(fault):
        gone = fault

        def fault(message: Message, answer: Callable[[], Message]) -> Message:
            return gone(message, answer) if message.metadata.group_id == "1" else answer()

    run = lead(config(root), {"b": fault})
    assert missing(run) == [[], ["b"], []]
    assert words in log(run)
    assert "secret" not in (run.path / "metrics.jsonl").read_text() + str(read_status(run.path))


def test_a_site_that_hangs_costs_its_round_and_no_other(root: Path) -> None:
    def let_go(grid: FaultyGrid) -> Progress:
        return lambda done, total, line: grid.let_go.set() if done == 2 else None

    run = lead(config(root, round_deadline=1.5), {"b": "hang@1"}, let_go)
    assert missing(run)[1] == ["b"]
    assert "round 1: site b did not answer within 2 s" in log(run)


def test_a_slow_site_is_waited_for_within_the_deadline(root: Path) -> None:
    run = lead(config(root, rounds=1), {"b": "slow-0.5@0"})
    assert missing(run) == [[]]
    (line,) = [line for line in read_metrics(run.metrics) if "loss" in line]
    assert line["sites"]["b"]["answered"] > 0.5


def test_the_second_of_two_replies_to_one_message_does_not_count(root: Path) -> None:
    once = lead(config(root, "once"))
    twice = lead(config(root, "twice"), prepare=lambda grid: grid.twice.add("b"))
    assert missing(twice) == [[], [], []]
    assert "2 replies to one message: the first counts" in log(twice)
    one, two = (load_file(run.bundle / "model.safetensors") for run in (once, twice))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_three_refusals_in_a_row_quarantine_a_site(root: Path) -> None:
    run = lead(config(root, rounds=5), {"b": "nan@1-9"})
    assert missing(run) == [[], ["b"], ["b"], ["b"], ["b"]]
    assert "site b is quarantined after 3 refused replies in a row (nonfinite)" in log(run)
    assert log(run).count("the reply of site b was refused") == 3


def test_a_site_that_fails_in_every_round_is_quarantined_and_the_bundle_says_what_it_gave(root: Path) -> None:
    few = config(root, rounds=6, quorum=0.3, quorum_patients=0.3)
    run = lead(few, {"b": "raise@1-9", "c": "raise@0-9"})
    assert missing(run) == [["c"], ["b", "c"], ["b", "c"], ["b", "c"], ["b", "c"], ["b", "c"]]
    assert "site b is quarantined until it is started anew: in 3 rounds in a row it failed" in log(run)
    assert log(run).count("site b failed; its own log says why") == 3
    sites = read_status(run.path)["sites"]
    assert {name: site["rounds"] for name, site in sites.items()} == {"a": 6, "b": 1, "c": 0, "d": 0}
    assert "failed" in sites["b"]["quarantined"]
    provenance = load_encoder(run.bundle).provenance
    assert list(provenance.cohorts) == ["a/a", "b/b"]
    assert {name: (part.rounds, part.last_round) for name, part in provenance.participation.items()} == {
        "a": (6, 5),
        "b": (1, 0),
    }
    assert (provenance.rounds, provenance.ended) == (6, "all 6 rounds are done")
    card = (run.bundle / "README.md").read_text()
    assert "| trained on | a, b |" in card
    patients = provenance.participation["a"].patients
    assert 0 < patients <= 16
    assert f"| rounds by site | a 6 of 6 ({patients} patients), b 1 of 6 ({patients} patients) |" in card
    assert f"| app | {app_hash()[:16]} from round 0 |" in card


def test_a_site_that_was_mended_and_started_anew_takes_part_again(root: Path) -> None:
    def mend(grid: FaultyGrid) -> Progress:
        def report(done: int, total: int, line: dict[str, Any]) -> None:
            if done == 4:
                grid.started["b"] = "2"

        return report

    run = lead(config(root, rounds=6), {"b": "raise@1-3"}, mend)
    assert missing(run) == [[], ["b"], ["b"], ["b"], [], []]
    assert "site b was started anew and is asked again" in log(run)
    assert read_status(run.path)["sites"]["b"]["quarantined"] is None


def test_a_site_that_does_not_do_it_by_its_policy_is_asked_again(root: Path) -> None:
    def not_now(message: Message, answer: Callable[[], Message]) -> Message:
        if message.metadata.message_type == "train" and int(message.metadata.group_id) < 4:
            return Message(Error(SiteFailure.POLICY), reply_to=message)
        return answer()

    run = lead(config(root, rounds=6), {"b": not_now})
    assert missing(run) == [["b"], ["b"], ["b"], ["b"], [], []]


def test_a_resumption_with_other_code_is_said_in_log_and_bundle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = config(root)
    with pytest.raises(KeyboardInterrupt):
        lead(cut, progress=stop_after(2))
    status = read_status(cut.out)
    assert (status["state"], status["app"]) == ("stopped", app_hash())
    monkeypatch.setattr("cape_fed.coordinator.lead.app_hash", lambda: "c0de")
    run = lead(cut.model_copy(update={"resume": True}))
    assert f"this run was led by app {app_hash()} up to round 2 and goes on with c0de" in log(run)
    assert load_encoder(run.bundle).provenance.code == {app_hash(): 0, "c0de": 2}


def test_a_directory_of_a_run_that_failed_before_round_0_takes_the_corrected_command(root: Path) -> None:
    with pytest.raises(InputError, match="sites that did not join"):
        lead(config(root, join_deadline=0.2), prepare=lambda grid: grid.away.update("bc"))
    run = lead(config(root, rounds=1, join_deadline=0.2), prepare=lambda grid: grid.away.update("b"))
    assert missing(run) == [["b"]]


def test_quarantine_outlives_an_interruption(root: Path) -> None:
    cut = config(root, rounds=6)
    with pytest.raises(KeyboardInterrupt):
        lead(cut, {"b": "nan@1-9"}, stop_after(4))
    run = lead(cut.model_copy(update={"resume": True}))
    assert missing(run)[-2:] == [["b"], ["b"]]


def test_refusals_that_are_not_in_a_row_are_forgotten(root: Path) -> None:
    wrong = {0, 1, 3, 4}

    def fault(message: Message, answer: Callable[[], Message]) -> Message:
        reply = answer()
        training = message.metadata.message_type == "train"
        return CORRUPTIONS["nan"][0](reply) if training and int(message.metadata.group_id) in wrong else reply

    run = lead(config(root, rounds=6), {"b": fault})
    assert [bool(names) for names in missing(run)] == [True, True, False, True, True, False]


def test_a_round_below_quorum_is_repeated_with_the_sites_that_are_missing(root: Path) -> None:
    asked: list[str] = []

    def once(message: Message, answer: Callable[[], Message]) -> Message:
        if message.metadata.message_type == "train":
            asked.append(message.metadata.group_id)
            if asked.count("1") == 1 and message.metadata.group_id == "1":
                raise RuntimeError
        return answer()

    whole = lead(config(root, "whole", quorum=1.0))
    run = lead(config(root, quorum=1.0), {"b": once})
    assert asked == ["0", "1", "1", "2"]
    assert missing(run) == [[], [], []]
    assert "round 1, try 1 of 3: 2 of 3 training sites, 3 needed" in log(run)
    one, two = (load_file(done.bundle / "model.safetensors") for done in (whole, run))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_quorum_of_patients_can_be_missing_where_enough_sites_are_there(root: Path) -> None:
    with pytest.raises(
        RunError, match=r"round 0 stayed below quorum in 2 tries: 32 of 48 training patients, 39 needed"
    ):
        lead(config(root, quorum=0.5, quorum_patients=0.8, tries=2), {"b": "raise@0-9"})


def test_a_run_that_stops_for_want_of_sites_says_who_and_resumes(root: Path) -> None:
    cut = config(root, quorum=1.0, tries=2)
    with pytest.raises(RunError, match=r"round 1 stayed below quorum .*missing: b"):
        lead(cut, {"b": "raise@1-9"})
    whole = lead(config(root, "whole", quorum=1.0, tries=2))
    run = lead(cut.model_copy(update={"resume": True}))
    one, two = (load_file(done.bundle / "model.safetensors") for done in (whole, run))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_site_that_is_away_is_named_and_joins_again_when_it_returns(root: Path) -> None:
    def come_and_go(grid: FaultyGrid) -> Progress:
        def report(done: int, total: int, line: dict[str, Any]) -> None:
            grid.away = {"b"} if done == 1 else set()

        return report

    run = lead(config(root, rounds=4), progress=come_and_go)
    assert missing(run) == [[], ["b"], [], []]


def test_a_site_that_missed_a_round_goes_on_with_its_own_head_resumed_or_not(root: Path) -> None:
    whole = lead(config(root, "whole", rounds=5), {"b": "raise@1"})
    assert "site b took no part before round 2: its head and optimiser are those of round 1" in log(whole)
    with pytest.raises(KeyboardInterrupt):
        lead(config(root, "cut", rounds=5, checkpoint_every=2), {"b": "raise@1"}, stop_after(3))
    cut = lead(config(root, "cut", rounds=5, checkpoint_every=2).model_copy(update={"resume": True}))
    one, two = (load_file(run.bundle / "model.safetensors") for run in (whole, cut))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_site_that_comes_late_takes_part_from_then_on(root: Path) -> None:
    def arrive(grid: FaultyGrid) -> Progress:
        return lambda done, total, line: grid.away.discard("b")

    run = lead(config(root, join_deadline=0.2), progress=arrive, prepare=lambda grid: grid.away.add("b"))
    assert missing(run) == [["b"], [], []]
    assert "site b did not join within 0 s and can do so later" in log(run)


def test_too_few_sites_at_the_start_are_named(root: Path) -> None:
    with pytest.raises(InputError, match=r"1 of 3 training sites, 2 needed; sites that did not join: b, c"):
        lead(config(root, join_deadline=0.2), prepare=lambda grid: grid.away.update("bc"))


def introduce(**changes: Any) -> Callable[[Message, Callable[[], Message]], Message]:
    def fault(message: Message, answer: Callable[[], Message]) -> Message:
        reply = answer()
        if SITE in reply.content:
            said = parse_introduction(reply.content).model_dump() | changes
            reply.content = RecordDict(introduction_records(Introduction.model_validate(said)))
        return reply

    return fault


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "0123"}, "site b has other code (0123): bring it to"),
        ({"role": "evaluate"}, "site b is there for evaluation only and does not train"),
        ({"site": "x"}, "site b is registered by this name and calls itself x"),
        ({"cohorts": {"a/b": {"records": 3, "patients": 3, "fingerprint": "f"}}}, "site b or a cohort of its has a /"),
    ],
)
def test_a_site_that_does_not_fit_is_refused_by_name_before_the_first_round(
    root: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        lead(config(root), {"b": introduce(**changes)})
    assert words in str(caught.value)
    assert not (root / "run" / "metrics.jsonl").exists()


def test_a_site_that_comes_back_with_other_code_takes_no_part(root: Path) -> None:
    def come_and_go(grid: FaultyGrid) -> Progress:
        def report(done: int, total: int, line: dict[str, Any]) -> None:
            grid.away = {"b"} if done == 1 else set()
            grid.faults["b"] = introduce(source="0123")

        return report

    run = lead(config(root, rounds=4), progress=come_and_go)
    assert missing(run) == [[], ["b"], ["b"], ["b"]]
    assert "site b has other code (0123)" in log(run)


def test_another_profile_is_refused_by_name(root: Path, tiny_store: TinyStore) -> None:
    wide = tiny_store("wide", profile="cape400", patients=16)
    said = {"profile": wide.profile.model_dump()}
    with pytest.raises(InputError, match=r"site b has another profile, cape400 \(\w+\): ingest with compact100"):
        lead(config(root), {"b": introduce(**said)})


def test_sites_that_are_not_on_the_roster_take_no_part(root: Path) -> None:
    entries = {"a": RosterEntry(role="train"), "b": RosterEntry(role="train")}
    run = lead(config(root), entries=entries)
    (line, *_) = [line for line in read_metrics(run.metrics) if "loss" in line]
    assert set(line["sites"]) == {"a", "b"}
    assert "site c is connected and not on the roster: it takes no part" in log(run)


def test_the_roster_caps_what_a_site_weighs(root: Path) -> None:
    free = lead(config(root, "free", rounds=1))
    entries = {name: RosterEntry(role="train", max_patients=1 if name == "b" else None) for name in "abc"}
    capped = lead(config(root, "capped", rounds=1), entries=entries)
    one, two = (load_file(run.bundle / "model.safetensors") for run in (free, capped))
    assert not all(torch.equal(value, two[name]) for name, value in one.items())


def test_evaluating_sites_never_get_a_training_message(root: Path) -> None:
    kinds: list[str] = []

    def note(message: Message, answer: Callable[[], Message]) -> Message:
        kinds.append(message.metadata.message_type)
        return answer()

    lead(config(root, measure_every=1, evaluate=True), {"d": note})
    assert set(kinds) == {"query", "evaluate"}
    assert kinds.count("evaluate") == 2 + 2  # measured after each of three rounds, the last one evaluated as well
