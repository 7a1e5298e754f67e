"""What a site lets itself be asked, one rule at a time; a new rule needs its registration and nothing else."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from cape_fed.errors import InputError
from cape_fed.federation.evaluation import probes_records
from cape_fed.federation.failures import WORDS, SiteFailure
from cape_fed.federation.messages import content_bytes, invitation_content
from cape_fed.federation.roster import PARTS
from cape_fed.site import policy, presence, rules
from cape_fed.site.config import Limits, SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.policy import Policy
from tests.site.conftest import OPTIONS, content_of, request

NOON = datetime(2026, 11, 1, 12)


def test_a_site_for_evaluation_does_not_train(site: SiteConfig) -> None:
    evaluates = site.model_copy(update={"role": "evaluate"})
    Policy(site).admit("train", request())
    Policy(evaluates).admit("evaluate", request())
    Policy(evaluates).admit("join", None)
    with pytest.raises(PolicyError, match="evaluation only"):
        Policy(evaluates).admit("train", request())


def test_steps_are_bounded(site: SiteConfig) -> None:
    Policy(site).admit("train", request(local_steps=5))
    with pytest.raises(PolicyError, match=r"6 steps .* limits.local_steps allows 5"):
        Policy(site).admit("train", request(local_steps=6))


def limited(site: SiteConfig, **limits: Any) -> SiteConfig:
    """The site with other limits, read as from its file."""
    values = site.limits.model_dump() | limits
    return site.model_copy(update={"limits": Limits.model_validate(values)})


def refusal(
    site: SiteConfig, action: str = "train", now: datetime = NOON, content: RecordDict | None = None, **fields: Any
) -> SiteFailure | None:
    """The code with which a message is refused at ``now``; None where it is admitted."""
    try:
        asked = None if action == "join" else request(**fields)
        Policy(site, lambda: now).admit(action, asked, content)
    except PolicyError as error:
        return error.code
    return None


def at(time: str, day: int = 1) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day:02}T{time}")


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("20:00-06:00", ["20:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "19:59"]),
        ("08:30-17:00", ["08:30", "16:59"], ["17:00", "08:29", "00:00"]),
    ],
)
def test_work_is_begun_at_the_sites_hours_only(
    site: SiteConfig, hours: str, inside: list[str], outside: list[str]
) -> None:
    bound = limited(site, hours=hours)
    for action in ("train", "evaluate"):
        assert {refusal(bound, action, at(time)) for time in inside} == {None}
        assert {refusal(bound, action, at(time)) for time in outside} == {SiteFailure.HOURS}
    assert refusal(bound, "join", at(outside[0])) is None


def test_rounds_a_day_are_counted_over_restarts(site: SiteConfig) -> None:
    """Every policy is a new one, as in a process of its own."""
    bound = limited(site, rounds_per_day=2)
    assert [refusal(bound, round=number) for number in range(3)] == [None, None, SiteFailure.ROUNDS]
    assert refusal(bound, "evaluate") is None
    assert refusal(bound, now=at("00:00", day=2)) is None


def test_a_round_that_is_refused_for_another_reason_does_not_count(site: SiteConfig) -> None:
    bound = limited(site, rounds_per_day=1)
    assert refusal(bound, local_steps=6) == SiteFailure.STEPS
    assert refusal(bound) is None


def test_processes_do_not_share_a_round_of_the_day(site: SiteConfig) -> None:
    bound = limited(site, rounds_per_day=5)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: refusal(bound, round=number), range(20)))
    assert found.count(None) == 5


def test_a_damaged_count_stops_training_and_names_the_file(site: SiteConfig) -> None:
    bound = limited(site, rounds_per_day=5)
    refusal(bound)
    (site.state / "rounds.json").write_text("{")
    with pytest.raises(InputError, match=r"rounds.json does not say how many"):
        refusal(bound)


def test_only_listed_federations_may_ask(site: SiteConfig) -> None:
    bound = limited(site, federations="ecg-net, pilot")
    assert refusal(bound, federation="pilot") is None
    assert refusal(bound, federation="other") == SiteFailure.FEDERATION
    assert refusal(bound) == SiteFailure.FEDERATION
    assert refusal(bound, "join", content=invitation_content("ecg-net")) is None
    assert refusal(bound, "join", content=invitation_content("other")) == SiteFailure.FEDERATION
    assert refusal(bound, "join", content=RecordDict()) == SiteFailure.FEDERATION


@pytest.mark.parametrize(
    ("part", "action", "fields", "probes"),
    [
        ("train", "train", {}, False),
        ("measure", "evaluate", {"measure": True}, False),
        ("sums", "train", {"sums": OPTIONS}, False),
        ("score", "evaluate", {}, True),
    ],
)
def test_only_listed_actions_are_done(
    site: SiteConfig, part: str, action: str, fields: dict[str, Any], probes: bool
) -> None:
    content = content_of(request(**fields), extra=probes_records({}, 160, OPTIONS) if probes else {})
    others = [other for other in PARTS if other != part]
    assert refusal(site, action, content=content, **fields) is None
    assert refusal(limited(site, actions=others), action, content=content, **fields) == SiteFailure.ACTION


def test_large_messages_are_refused(site: SiteConfig) -> None:
    content = content_of(request())
    size = content_bytes(content) / 1e6
    assert refusal(limited(site, message_mb=1.01 * size), content=content) is None
    assert refusal(limited(site, message_mb=0.99 * size), content=content) == SiteFailure.LARGE_MESSAGE


@pytest.mark.parametrize(
    "record", [ConfigRecord({"bytes": bytes(2_000_000)}), ConfigRecord({"texts": ["x" * 2_000_000]}),
               MetricRecord({"numbers": [0.0] * 250_000})],
)  # fmt: skip
def test_a_message_is_as_large_as_all_that_is_in_it(site: SiteConfig, record: ConfigRecord | MetricRecord) -> None:
    content = RecordDict({"other": record})
    assert refusal(limited(site, message_mb=1.9), "join", content=content) == SiteFailure.LARGE_MESSAGE
    assert refusal(limited(site, message_mb=2.1), "join", content=content) is None


def test_a_paused_site_answers_nothing_until_it_is_resumed(site: SiteConfig) -> None:
    presence.pause(site)
    assert {refusal(site, action) for action in ("join", "train", "evaluate")} == {SiteFailure.PAUSED}
    presence.resume(site)
    assert refusal(site) is None


def test_a_site_that_left_answers_nothing_and_keeps_nothing_of_runs(site: SiteConfig) -> None:
    for name in ("0" * 12, "a" * 12, "audit"):
        (site.state / name / "splits").mkdir(parents=True)
    assert presence.leave(site) == ["0" * 12, "a" * 12]
    assert [path.name for path in site.state.iterdir() if path.is_dir()] == ["audit"]
    assert {refusal(site, action) for action in ("join", "train", "evaluate")} == {SiteFailure.LEFT}
    presence.resume(site)
    assert refusal(site) is None


def test_the_runs_that_were_used_last_stay(site: SiteConfig) -> None:
    for age, name in enumerate(("a" * 12, "b" * 12, "c" * 12)):
        (site.state / name).mkdir(parents=True)
        os.utime(site.state / name, (1000.0 - age, 1000.0 - age))
    (site.state / "audit").mkdir()
    assert presence.forget_runs(site, keep=2) == ["c" * 12]
    assert presence.forget_runs(site, keep=2) == []
    assert (site.state / "audit").is_dir()


def test_every_rule_has_a_code_with_words_of_its_own() -> None:
    codes = [code for code, _ in rules.RULES]
    assert [code for code in set(codes) if codes.count(code) > 1] == [SiteFailure.PRIVACY]  # it has two rules
    assert {*codes, *SiteFailure} <= WORDS.keys()
    assert len(set(WORDS.values())) == len(WORDS)


def test_a_rule_is_one_function_and_its_registration(site: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_on_the_first_round(asked: rules.Asked, where: SiteConfig) -> str | None:
        return "too early" if asked.request is not None and asked.request.round == 0 else None

    monkeypatch.setattr(rules, "RULES", [*rules.RULES, (SiteFailure.POLICY, not_on_the_first_round)])
    monkeypatch.setattr(policy, "RULES", rules.RULES)
    Policy(site).admit("train", request(round=1))
    with pytest.raises(PolicyError, match="too early"):
        Policy(site).admit("train", request(round=0))
