"""The audit log: whatever is done to it afterwards shows, and what a crash does to it does not."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cape_fed import files
from cape_fed.site.audit import last_hash, log_file, read_entries, read_head, record
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import AuditError
from cape_fed.site.policy_text import policy_digest, policy_of


@pytest.fixture
def quiet_site(tmp_path: Path) -> SiteConfig:
    """A site whose stores nobody opens."""
    return SiteConfig(name="a", role="train", stores=(tmp_path / "a",), state=tmp_path / "state")


def test_entries_stand_in_order_with_time_and_kind(quiet_site: SiteConfig) -> None:
    for number in range(3):
        head = record(quiet_site, "joined", run=f"r{number}", cohort="Köln")
    entries = [entry for entry, _ in read_entries(quiet_site)]
    assert [entry["run"] for entry in entries] == ["r0", "r1", "r2"]
    assert {entry["kind"] for entry in entries} == {"joined"}
    assert entries[0]["time"] <= entries[2]["time"]
    assert head.entries == 3
    assert head == last_hash(quiet_site) == read_head(quiet_site)


def test_only_the_sites_own_user_can_read_it(quiet_site: SiteConfig) -> None:
    record(quiet_site, "joined")
    assert log_file(quiet_site).stat().st_mode & 0o077 == 0
    assert quiet_site.audit_head_file.stat().st_mode & 0o077 == 0
    assert quiet_site.state not in quiet_site.audit_head_file.parents


def test_processes_take_turns(quiet_site: SiteConfig) -> None:
    code = (
        "import sys; from pathlib import Path; from cape_fed.site.audit import record; "
        "from cape_fed.site.config import SiteConfig; "
        "site = SiteConfig.model_validate_json(sys.argv[1]); "
        "[record(site, 'sent', by=sys.argv[2], n=n) for n in range(20)]"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, quiet_site.model_dump_json(), str(index)]) for index in range(2)
    ]
    assert [process.wait() for process in running] == [0, 0]
    entries = list(read_entries(quiet_site))
    assert len(entries) == last_hash(quiet_site).entries == 40
    for index in range(2):
        assert [entry["n"] for entry, _ in entries if entry["by"] == str(index)] == list(range(20))


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_log_that_was_cut_off_takes_no_more_entries(quiet_site: SiteConfig, lines: int) -> None:
    for number in range(3):
        record(quiet_site, "sent", n=number)
    text = log_file(quiet_site).read_text().splitlines(keepends=True)
    log_file(quiet_site).write_text("".join(text[:lines]))
    with pytest.raises(AuditError, match="does not end with the hash"):
        record(quiet_site, "sent", n=3)


def test_neither_log_nor_hash_can_be_taken_away_alone(quiet_site: SiteConfig) -> None:
    record(quiet_site, "sent")
    kept = quiet_site.audit_head_file.read_bytes()
    quiet_site.audit_head_file.unlink()
    with pytest.raises(AuditError):
        record(quiet_site, "sent")
    quiet_site.audit_head_file.write_bytes(kept)
    log_file(quiet_site).unlink()
    with pytest.raises(AuditError):
        record(quiet_site, "sent")
    quiet_site.audit_head_file.unlink()
    assert record(quiet_site, "sent").entries == 1


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_crash_in_the_middle_of_an_entry_costs_that_entry_at_most(
    quiet_site: SiteConfig, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends after ``share`` of the line stands in the log."""
    record(quiet_site, "sent", n=0)

    class CrashError(BaseException):
        pass

    write, calls = files.write_at, []

    def crashing(handle: int, data: bytes, place: int) -> None:
        calls.append(data)
        if len(calls) == 2:  # the first says what will be written
            write(handle, data[: int(share * len(data))], place)
            raise CrashError
        write(handle, data, place)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_at", crashing)
        with pytest.raises(CrashError):
            record(quiet_site, "sent", n=1)
    record(quiet_site, "sent", n=2)
    assert [entry["n"] for entry, _ in read_entries(quiet_site)] == ([0, 1, 2] if share == 1.0 else [0, 2])


def test_a_full_disk_is_an_error_and_leaves_the_log_as_it_was(
    quiet_site: SiteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(quiet_site, "sent", n=0)
    before, pwrite = log_file(quiet_site).read_bytes(), os.pwrite

    def full(handle: int, data: bytes, place: int) -> int:
        if place:  # the head needs no new room
            if len(data) < 20:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return pwrite(handle, data[:-10], place)
        return pwrite(handle, data, place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(AuditError, match="No space left"):
            record(quiet_site, "sent", n=1)
    assert log_file(quiet_site).read_bytes() == before
    assert record(quiet_site, "sent", n=1).entries == 2


def test_a_log_that_cannot_be_opened_is_an_error(quiet_site: SiteConfig) -> None:
    quiet_site.state.mkdir()
    (quiet_site.state / "audit").write_text("a file where the directory should be")
    with pytest.raises(AuditError, match="cannot be written"):
        record(quiet_site, "sent")


def test_long_entries_are_found_again(quiet_site: SiteConfig) -> None:
    """The end is looked for in blocks from behind."""
    for number in range(3):
        record(quiet_site, "sent", text="x" * 200_000, n=number)
    assert [entry["n"] for entry, _ in read_entries(quiet_site)] == [0, 1, 2]


def test_a_line_is_json(quiet_site: SiteConfig) -> None:
    record(quiet_site, "approved", files=["a.py"])
    values: dict[str, Any] = json.loads(log_file(quiet_site).read_text())
    assert values["kind"] == "approved"
    assert values["files"] == ["a.py"]


def test_every_limit_is_part_of_the_policy_that_is_put_down(quiet_site: SiteConfig) -> None:
    policy = policy_of(quiet_site)
    assert policy["limits"] == quiet_site.limits.model_dump(mode="json")
    assert policy["privacy"] == quiet_site.privacy.model_dump(mode="json")
    assert policy_digest(quiet_site) == policy_digest(quiet_site.model_copy(update={"plan": "train.pairs=8"}))
    assert policy_digest(quiet_site) != policy_digest(quiet_site.model_copy(update={"role": "evaluate"}))
