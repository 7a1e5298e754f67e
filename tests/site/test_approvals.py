"""Which apps a site runs: approved ones, as bytes, and nothing where that cannot be told."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.federation.fab import LARGEST, pack, pack_app, read_app
from cape_fed.site import audit
from cape_fed.site.admission import admission
from cape_fed.site.approvals import LIST, Approvals, find_app
from cape_fed.site.cage.apps import LaidOut, app_in_hand
from cape_fed.site.check.app import check_app
from cape_fed.site.check.finding import Subject
from cape_fed.site.config import SiteConfig
from cape_fed.site.flower import NotApprovedError
from cape_fed.site.refused import KEPT, RefusedApps
from tests.federation.test_fab import FILES

APP, OTHER = pack(FILES), pack({**FILES, "c.py": b"app = 2\n"})
HASH, OTHER_HASH = read_app(APP).hash, read_app(OTHER).hash


@pytest.fixture
def site(tmp_path: Path) -> SiteConfig:
    return SiteConfig(
        name="a", role="train", stores=(tmp_path / "store",), state=tmp_path / "state", apps=tmp_path / "etc"
    )


def kinds(site: SiteConfig) -> list[tuple[str, str]]:
    return [(entry["kind"], entry["app"]) for entry, _ in audit.read_entries(site)]


def test_nothing_is_approved_by_itself(site: SiteConfig) -> None:
    require = admission(site)
    for digest, content in ((read_app(pack_app()).hash, pack_app()), (HASH, APP), (HASH, None)):
        with pytest.raises(NotApprovedError):
            require(digest, content, 7)


def test_approved_bytes_run_until_they_are_revoked(site: SiteConfig) -> None:
    require, approvals = admission(site), Approvals(site)
    approvals.approve(APP)
    require(HASH, APP, 7)
    require(HASH, None, 7)
    with pytest.raises(NotApprovedError):
        require(OTHER_HASH, OTHER, 8)
    assert approvals.revoke(HASH[:8]).hash == HASH
    with pytest.raises(NotApprovedError):
        require(HASH, None, 7)
    assert kinds(site) == [("app admitted", HASH), ("app refused", OTHER_HASH), ("app refused", HASH)]


def test_what_is_admitted_is_laid_out_and_nothing_else(site: SiteConfig, tmp_path: Path) -> None:
    laid_out = LaidOut(tmp_path / "runtime")
    (tmp_path / "runtime").mkdir()
    require = admission(site, laid_out)
    with pytest.raises(NotApprovedError):
        require(HASH, APP, 7)
    assert list((tmp_path / "runtime").iterdir()) == []
    Approvals(site).approve(APP)
    require(HASH, APP, 7)
    found = app_in_hand(tmp_path / "runtime")
    assert found is not None
    assert {file: (found / file).read_bytes() for file in FILES} == FILES
    with pytest.raises(NotApprovedError):
        require(OTHER_HASH, OTHER, 8)
    require(HASH, None, 7)
    assert app_in_hand(tmp_path / "runtime") == found


def test_other_bytes_under_an_approved_hash_are_refused(site: SiteConfig) -> None:
    Approvals(site).approve(APP)
    with pytest.raises(NotApprovedError):
        admission(site)(HASH, OTHER, 7)
    assert "other bytes" in (site.state / "log.txt").read_text()


def test_what_was_asked_stands_in_the_log_once_a_run(site: SiteConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    require = admission(site)
    for run in (7, 7, 8):
        with pytest.raises(NotApprovedError):
            require(HASH, APP, run)
    lines = (site.state / "log.txt").read_text().splitlines()
    assert [f"run {run} asked for the app {HASH[:12]}" in line for run, line in zip((7, 8), lines, strict=True)]
    assert "cape-fed site approve SITE.TOML 8" in lines[1]


def test_a_refused_app_can_be_named_by_run_or_hash_and_approved(site: SiteConfig, tmp_path: Path) -> None:
    with pytest.raises(NotApprovedError):
        admission(site)(HASH, APP, 1234)
    refused = RefusedApps(site.state)
    saved = tmp_path / "toy.fab"
    saved.write_bytes(APP)
    assert find_app("1234", refused) == find_app(HASH[:8], refused) == find_app(str(saved), refused) == APP
    for what in (HASH[:7], "12", "", "nothing"):
        with pytest.raises(InputError, match="no app that was asked for"):
            find_app(what, refused)
    Approvals(site).approve(find_app("1234", refused))
    admission(site)(HASH, APP, 1234)
    assert refused.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in refused.folder.iterdir())


def test_the_newest_refused_apps_are_kept_and_none_that_is_too_large(site: SiteConfig) -> None:
    refused = RefusedApps(site.state)
    for run in range(KEPT + 3):
        refused.keep(str(run).encode(), run)
    assert [entry.run for entry in refused.entries()] == list(range(3, KEPT + 3))
    assert len(list(refused.folder.glob("*.fab"))) == KEPT
    large = refused.keep(bytes(LARGEST + 1), 99)
    with pytest.raises(InputError, match="was not kept"):
        refused.content(large)
    changed = refused.entries()[0]
    (refused.folder / f"{changed.hash}.fab").write_bytes(b"changed")
    with pytest.raises(InputError, match="was not kept"):
        refused.content(changed)


def test_a_list_that_others_can_write_approves_nothing(site: SiteConfig) -> None:
    approvals = Approvals(site)
    approvals.approve(APP)
    for place in (approvals.folder, approvals.folder / LIST):
        mode = place.stat().st_mode
        place.chmod(mode | 0o020)
        with pytest.raises(InputError, match="others than its owner can write"):
            approvals.find(HASH)
        with pytest.raises(NotApprovedError):
            admission(site)(HASH, APP, 7)
        place.chmod(mode)
    admission(site)(HASH, APP, 7)


@pytest.mark.parametrize("content", [b"", b"[", b'[{"hash": 1}]', b"\xff"])
def test_a_damaged_list_approves_nothing(site: SiteConfig, content: bytes) -> None:
    approvals = Approvals(site)
    approvals.approve(APP)
    (approvals.folder / LIST).write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        approvals.find(HASH)
    with pytest.raises(NotApprovedError):
        admission(site)(HASH, APP, 7)


def test_what_cannot_be_put_down_in_the_audit_log_does_not_run(site: SiteConfig) -> None:
    Approvals(site).approve(APP)
    admission(site)(HASH, APP, 7)
    audit.log_file(site).write_bytes(b"")
    with pytest.raises(NotApprovedError):
        admission(site)(HASH, APP, 8)


def test_what_is_no_app_cannot_be_approved(site: SiteConfig) -> None:
    with pytest.raises(InputError, match="no app bundle"):
        Approvals(site).approve(b"x")
    assert not Approvals(site).folder.exists()


def test_the_last_approved_app_is_kept_to_compare_with(site: SiteConfig) -> None:
    approvals = Approvals(site)
    assert approvals.last() is None
    for app in (APP, OTHER, APP):
        approvals.approve(app)
    last = approvals.last()
    assert last is not None
    assert last.hash == HASH
    assert [entry.hash for entry in approvals.entries()] == [OTHER_HASH, HASH]
    (approvals.folder / f"{HASH}.fab").write_bytes(OTHER)
    assert approvals.last() is None


def test_a_check_says_whether_the_installed_app_is_approved(site: SiteConfig) -> None:
    for app, state, words in (
        (None, "waiting", "no app is approved: every run is refused"),
        (APP, "warning", "is not approved, 1 others are"),
        (pack_app(), "ok", "of this installation is approved, one of 2"),
    ):
        if app is not None:
            Approvals(site).approve(app)
        found = check_app(Subject(site))
        assert (found.state, words in found.said) == (state, True)
