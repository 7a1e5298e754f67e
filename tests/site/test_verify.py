"""Whoever changes a site's audit log afterwards is found out, whatever it is that he changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cape_fed.chain import FIRST, chain_hash
from cape_fed.errors import InputError, RunError
from cape_fed.site.audit import Head, last_hash, log_file, record
from cape_fed.site.config import SiteConfig
from cape_fed.site.verify import entry_line, parse_head, verify_audit

Lines = list[str]


@pytest.fixture
def logged(tmp_path: Path) -> SiteConfig:
    """A site whose audit log has five entries."""
    site = SiteConfig(name="a", role="train", stores=(tmp_path / "a",), state=tmp_path / "state")
    for number in range(5):
        record(site, "sent", run="0" * 12, round=number, records={"metrics": {"loss": 1.5, "patients": 24}})
    return site


def rechained(lines: Lines) -> Lines:
    """The entries with hashes that follow from one another, as somebody writes them who knows how it is done."""
    previous, made = FIRST, []
    for number, line in enumerate(lines):
        entry = json.loads(line)
        del entry["hash"]
        entry["number"] = number
        previous = chain_hash(previous, entry)
        made.append(json.dumps({**entry, "hash": previous}) + "\n")
    return made


def edited(lines: Lines) -> Lines:
    return [lines[0], lines[1].replace("24", "23"), *lines[2:]]


def test_a_log_as_it_was_written_verifies(logged: SiteConfig) -> None:
    assert verify_audit(logged).startswith("5 entries, unchanged")
    assert str(last_hash(logged)) in verify_audit(logged)


def test_a_site_that_has_written_nothing_verifies(tmp_path: Path) -> None:
    site = SiteConfig(name="a", role="train", stores=(tmp_path,), state=tmp_path / "state")
    assert verify_audit(site).startswith("0 entries")


@pytest.mark.parametrize(
    "change",
    [
        edited,
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: lines[:-1],
        lambda lines: lines[:3],
        lambda lines: [],
        lambda lines: [*lines[:-1], lines[-1].rstrip("\n")],
        lambda lines: [*lines[:4], "not an entry\n"],
        lambda lines: [*lines, lines[-1]],
        lambda lines: rechained(edited(lines)),
        lambda lines: rechained([*lines[:2], *lines[3:]]),
        lambda lines: rechained([*lines, lines[-1]]),
        lambda lines: rechained([*lines[:4], lines[0]]),
    ],
)
def test_a_log_that_was_changed_is_found_out(logged: SiteConfig, change: Callable[[Lines], Lines]) -> None:
    path = log_file(logged)
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with pytest.raises(RunError, match=r"log\.jsonl"):
        verify_audit(logged)


def test_an_old_copy_of_the_log_is_found_out(logged: SiteConfig, tmp_path: Path) -> None:
    shutil.copytree(logged.state, tmp_path / "copy")
    record(logged, "sent", round=5)
    shutil.rmtree(logged.state)
    shutil.copytree(tmp_path / "copy", logged.state)
    with pytest.raises(RunError, match="5 entries of 6: it was cut off, or an old copy put back"):
        verify_audit(logged)


def test_an_old_copy_of_log_and_hash_is_found_out_by_what_the_coordinator_saw(
    logged: SiteConfig, tmp_path: Path
) -> None:
    shutil.copytree(logged.state, tmp_path / "copy")
    kept = logged.audit_head_file.read_bytes()
    for number in range(2):
        seen = record(logged, "sent", round=5 + number)
    shutil.rmtree(logged.state)
    shutil.copytree(tmp_path / "copy", logged.state)
    logged.audit_head_file.write_bytes(kept)
    assert verify_audit(logged).startswith("5 entries")
    with pytest.raises(RunError, match="has 5 entries and had 7"):
        verify_audit(logged, parse_head(str(seen)))
    for number in range(2):
        record(logged, "sent", round=7 + number)
    with pytest.raises(RunError, match="entry 6 is not the one that the coordinator saw"):
        verify_audit(logged, seen)


def test_what_the_coordinator_saw_and_is_still_there_verifies(logged: SiteConfig) -> None:
    seen = last_hash(logged)
    record(logged, "sent", round=5)
    assert verify_audit(logged, seen).startswith("6 entries")
    assert verify_audit(logged, Head(0, FIRST)).startswith("6 entries")


@pytest.mark.parametrize("text", ["", "3", "3:abc", "x:" + FIRST, ":" + FIRST])
def test_what_is_no_hash_is_bad_input(text: str) -> None:
    with pytest.raises(InputError, match="NUMBER:HASH"):
        parse_head(text)


def test_an_entry_is_one_readable_line(logged: SiteConfig) -> None:
    record(logged, "refused", code="HOURS", reason="it is 12:00")
    entries = [json.loads(line) for line in log_file(logged).read_text().splitlines()]
    assert "metrics: loss 1.5, patients 24" in entry_line(entries[0])
    assert "refused" in entry_line(entries[-1])
    assert "code HOURS, reason it is 12:00" in entry_line(entries[-1])


def test_an_entry_is_one_line_that_no_terminal_obeys(tmp_path: Path) -> None:
    """What a federation calls itself is the coordinator's word."""
    entry = {"number": 3, "time": "2026-01-31T08:05:09+00:00", "kind": "refused", "federation": "x\n\x1b[2J\x9b1m é"}
    line = entry_line(entry)
    assert line.isprintable()
    assert r"federation x\n\x1b[2J\x9b1m é" in line
