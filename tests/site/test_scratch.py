"""A process's folder goes with it, or, where it was killed, with the next one that makes such a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cape_fed.site import scratch
from cape_fed.site.scratch import PREFIX, scratch_folder

HOLD = "from cape_fed.site.scratch import scratch_folder as f\nwith f() as folder: print(folder, flush=True); input()"


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(scratch, "YOUNG", -1.0)


def use_and_fail(folders: list[Path]) -> None:
    with scratch_folder() as folder:
        folders.append(folder)
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
        (folder / "none").read_text()


def test_it_is_this_users_alone_and_goes_with_an_error_too(tmp_path: Path) -> None:
    folders = list[Path]()
    with pytest.raises(FileNotFoundError):
        use_and_fail(folders)
    assert [folder.parent for folder in folders] == [tmp_path]
    assert not folders[0].exists()


def test_what_a_killed_process_left_goes_and_what_a_living_one_holds_stays(tmp_path: Path) -> None:
    holders = [
        subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    folders = [Path(holder.stdout.readline().strip()) for holder in holders if holder.stdout]
    (folders[0] / "inner").mkdir()
    holders[0].kill()
    holders[0].wait(30)
    assert folders[0].exists()
    with scratch_folder():
        assert [folder.exists() for folder in folders] == [False, True]
    holders[1].communicate("\n", timeout=30)
    assert not folders[1].exists()


def test_a_new_folder_that_nobody_holds_yet_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "YOUNG", 60.0)
    (tmp_path / f"{PREFIX}new").mkdir()
    with scratch_folder():
        assert (tmp_path / f"{PREFIX}new").exists()


def test_links_and_files_of_that_name_are_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    with scratch_folder():
        assert elsewhere.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{PREFIX}file", f"{PREFIX}link", "elsewhere"]
