"""Who takes part: sites say who they are once, and one that does not fit is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import Message, RecordDict

from cape_fed.coordinator.exchange import Exchange
from cape_fed.coordinator.membership import Membership
from cape_fed.errors import InputError
from cape_fed.federation.messages import Introduction, computing_code, introduction_records, inviting_federation
from cape_fed.federation.roster import RosterEntry
from cape_fed.signal.profile import get_profile
from cape_fed.store.counts import CohortCounts
from tests.coordinator.scripted import Script, ScriptedGrid

PROFILE = get_profile("compact100")


def introducing(site: str, **changes: Any) -> Script:
    values: dict[str, Any] = {
        "site": site,
        "role": "train",
        "source": computing_code(),
        "profile": PROFILE,
        "cohorts": {site: CohortCounts(records=20, patients=10, fingerprint="f")},
    }
    introduction = Introduction.model_validate({**values, **changes})
    return lambda message: RecordDict(introduction_records(introduction))


def membership(grid: ScriptedGrid, entries: dict[str, Any] | None = None) -> Membership:
    roster = None if entries is None else {name: RosterEntry.model_validate(entry) for name, entry in entries.items()}
    return Membership(grid, Exchange(grid), roster)


def grid_of(**scripts: Script) -> ScriptedGrid:
    grid = ScriptedGrid()
    for node, (name, script) in enumerate(scripts.items(), start=2):
        grid.add(node, name, script)
    return grid


def names(found: Membership) -> list[str]:
    return [member.name for member in found.online()]


def nothing_missing(members: list[Any]) -> None:
    return None


def test_sites_of_the_roster_join_with_what_they_said() -> None:
    grid = grid_of(a=introducing("a"), b=introducing("b", role="evaluate"))
    found = membership(grid, {"a": {"role": "train", "max_patients": 7}, "b": {"role": "evaluate"}})
    found.gather(0.0, nothing_missing)
    assert names(found) == ["a", "b"]
    assert found.members["a"].patients == 10
    assert found.members["a"].weight(10) == 7
    assert found.cohorts.keys() == {"a/a"}
    assert found.profile == PROFILE


def test_a_site_is_asked_who_it_is_once() -> None:
    grid = grid_of(a=introducing("a"))
    found = membership(grid)
    for _ in range(3):
        found.refresh()
    assert grid.asked == [("a", 2, "query")]


def test_a_site_that_was_away_is_asked_again() -> None:
    grid = grid_of(a=introducing("a"))
    found = membership(grid)
    found.refresh()
    node = grid.nodes.pop(2)
    found.refresh()
    assert names(found) == []
    grid.nodes[2] = node
    found.refresh()
    assert names(found) == ["a"]
    assert len(grid.asked) == 2


def test_a_site_that_came_back_unseen_is_asked_again() -> None:
    """Its activation time tells, though its node was there at every look."""
    grid = grid_of(a=introducing("a"))
    found = membership(grid)
    found.refresh()
    grid.add(2, "a", introducing("a"), since=2.0)
    found.refresh()
    assert len(grid.asked) == 2


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (introducing("x"), "site a is registered by this name and calls itself x"),
        (introducing("a", role="evaluate"), "site a .* evaluation only"),
        (introducing("a", source="0" * 16), f"site a has other code .*{computing_code()}"),
    ],
)
def test_a_site_that_does_not_fit_is_named(script: Script, words: str) -> None:
    with pytest.raises(InputError, match=words):
        membership(grid_of(a=script), {"a": {"role": "train"}}).gather(0.0, nothing_missing)


def test_another_profile_is_named_with_the_one_to_take() -> None:
    grid = grid_of(a=introducing("a"), b=introducing("b", profile=get_profile("canonical500")))
    with pytest.raises(InputError, match=r"site b has another profile, canonical500 .*ingest with compact100"):
        membership(grid).gather(0.0, nothing_missing)


def test_two_sites_name_their_cohorts_as_they_like() -> None:
    counts = {"cardiology": CohortCounts(records=20, patients=10, fingerprint="f")}
    found = membership(grid_of(a=introducing("a", cohorts=counts), b=introducing("b", cohorts=counts)))
    found.gather(0.0, nothing_missing)
    assert found.cohorts.keys() == {"a/cardiology", "b/cardiology"}


def test_a_site_is_asked_by_the_name_of_the_federation_and_tells_where_its_audit_log_ends() -> None:
    asked: list[str] = []

    def answer(message: Message) -> RecordDict | int | None:
        asked.append(inviting_federation(message.content))
        return introducing("a", audit="7:abc")(message)

    grid = grid_of(a=answer)
    found = Membership(grid, Exchange(grid), None, "ecg-net")
    found.refresh()
    assert asked == ["ecg-net"]
    assert found.audits == {"a": "7:abc"}


def test_a_site_that_does_not_train_by_its_own_limits_is_named() -> None:
    script = introducing("a", parts=("measure",))
    with pytest.raises(InputError, match=r"site a .* evaluation only"):
        membership(grid_of(a=script), {"a": {"role": "train"}}).gather(0.0, nothing_missing)


def test_a_site_that_has_left_is_asked_again_only_when_its_node_comes_anew(caplog: pytest.LogCaptureFixture) -> None:
    grid = grid_of(a=introducing("a"), b=introducing("b"))
    found = membership(grid)
    found.refresh()
    found.dismiss("a")
    found.refresh()
    assert names(found) == ["b"]
    assert "site a has left" in caplog.text
    grid.add(2, "a", introducing("a"), since=2.0)
    found.refresh()
    assert names(found) == ["a", "b"]


def test_a_site_that_is_not_on_the_roster_takes_no_part(caplog: pytest.LogCaptureFixture) -> None:
    grid = grid_of(a=introducing("a"), z=introducing("z"))
    found = membership(grid, {"a": {"role": "train"}})
    found.gather(0.0, nothing_missing)
    assert names(found) == ["a"]
    assert "site z" in caplog.text
    assert ("z", 3, "query") not in grid.asked


def test_what_is_no_introduction_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    def says_nothing(message: Message) -> RecordDict:
        return RecordDict()

    found = membership(grid_of(a=says_nothing, b=introducing("b")))
    found.refresh()
    assert names(found) == ["b"]
    assert "site a did not say who it is" in caplog.text


def test_who_is_missing_is_named_where_too_few_came() -> None:
    found = membership(grid_of(a=introducing("a")), {"a": {"role": "train"}, "b": {"role": "train"}})
    with pytest.raises(InputError, match="2 needed; sites that did not join: b"):
        found.gather(0.0, lambda members: "2 needed")


def test_two_nodes_with_one_name_are_refused_by_name_and_no_answer_is_dropped() -> None:
    grid = grid_of(a=introducing("a"), b=introducing("b"))
    grid.add(9, "a", introducing("a"))
    with pytest.raises(InputError, match=r"site a is connected twice: the nodes 2 and 9 .*unregister 9"):
        membership(grid, {"a": {"role": "train"}, "b": {"role": "train"}}).gather(0.0, nothing_missing)
    assert sorted(node for _, node, _ in grid.asked) == [2, 3, 9]


def test_in_a_run_under_way_the_first_of_two_nodes_stays(caplog: pytest.LogCaptureFixture) -> None:
    grid = grid_of(a=introducing("a"))
    found = membership(grid)
    found.gather(0.0, nothing_missing)
    grid.add(1, "a", introducing("a"))
    found.refresh()
    assert [member.node for member in found.online()] == [2]
    assert "site a is connected twice: the nodes 2 and 1" in caplog.text
    del grid.nodes[2]  # the key was changed: the old one is not used any more
    grid.add(1, "a", introducing("a"), since=3.0)
    found.refresh()
    assert [member.node for member in found.online()] == [1]


def test_a_node_that_did_not_introduce_itself_is_asked_again_at_once_when_it_was_started_anew() -> None:
    grid = grid_of(a=lambda message: 2)
    found = membership(grid)
    found.refresh()
    found.refresh()
    assert len(grid.asked) == 1
    grid.add(2, "a", introducing("a"), since=2.0)
    found.refresh()
    assert names(found) == ["a"]


def test_while_sites_are_awaited_it_is_said_who() -> None:
    said: list[list[str]] = []
    grid = grid_of(a=introducing("a"))
    exchange = Exchange(grid, lambda wait: said.append(wait.awaited))
    roster = {name: RosterEntry(role="train") for name in ("a", "b")}
    Membership(grid, exchange, roster).gather(0.0, nothing_missing)
    assert said[-1] == ["b"]
