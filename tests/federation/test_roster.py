"""A roster is read from a mapping or a file, and bounds what a site counts for."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from cape_fed.federation.plausibility import Size
from cape_fed.federation.roster import Member, RosterEntries, RosterEntry, members_with

ENTRIES: TypeAdapter[dict[str, RosterEntry]] = TypeAdapter(RosterEntries)


def test_a_bare_role_is_an_entry() -> None:
    read = ENTRIES.validate_python({"a": "train", "b": {"role": "evaluate", "max_patients": 9}})
    assert read == {"a": RosterEntry(role="train"), "b": RosterEntry(role="evaluate", max_patients=9)}


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "roster.yaml").write_text("a: train\nb:\n  role: evaluate\n")
    read = ENTRIES.validate_python(str(tmp_path / "roster.yaml"))
    assert {name: entry.role for name, entry in read.items()} == {"a": "train", "b": "evaluate"}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("nowhere.yaml", "cannot read the roster nowhere.yaml"),
        ([1, 2], "a roster names each site with its role"),
        ({"a": "lead"}, "'train' or 'evaluate'"),
        ({"a": {"role": "train", "patients": 3}}, "patients"),
        ({"a": {"role": "train", "max_patients": 0}}, "greater than 0"),
    ],
)
def test_anything_else_is_refused(value: object, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ENTRIES.validate_python(value)


def test_a_file_that_is_not_yaml_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "roster.yaml").write_text("a: [train")
    with pytest.raises(ValidationError, match=r"cannot read the roster .*roster\.yaml"):
        ENTRIES.validate_python(str(tmp_path / "roster.yaml"))


def member(name: str, most: int | None = None, role: str = "train") -> Member:
    return Member(name, role, 1, {"x": Size(30, 10), "y": Size(5, 4)}, most)  # type: ignore[arg-type]


def test_a_member_counts_for_no_more_than_the_roster_allows() -> None:
    assert member("a").size == Size(35, 14)
    assert member("a").patients == 14
    assert member("a").weight(14) == 14
    assert member("a", 9).weight(14) == 9
    assert member("a", 9).weight(3) == 3


def test_members_of_a_role_are_in_the_order_of_names() -> None:
    roster = [member("b"), member("c", role="evaluate"), member("a")]
    assert [found.name for found in members_with(roster, "train")] == ["a", "b"]
    assert [found.name for found in members_with(roster, "evaluate")] == ["c"]
