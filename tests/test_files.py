"""What nobody is writing any more goes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from cape_fed.files import PRIVATE, atomic_directory, atomic_file, overwrite, sweep, whole_lines

WRITE = """
import os, sys
from pathlib import Path
from cape_fed.files import atomic_directory, atomic_file
with atomic_file(Path(sys.argv[1]) / "run" / "a.json") as file, atomic_directory(Path(sys.argv[1]) / "b") as folder:
    file.write_text("half")
    (folder / "c").write_text("half")
    os._exit(9)
"""


def test_what_a_killed_process_was_writing_goes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE, str(tmp_path)], check=False)
    assert len(list(tmp_path.rglob("*.partial"))) == 2
    sweep(tmp_path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "run"]


REPLACE = """
import os, shutil, sys
from pathlib import Path
from cape_fed.files import atomic_directory
rename = Path.replace
def killed(self, target):
    if self.name.endswith(sys.argv[2]):
        os._exit(9)
    return rename(self, target)
Path.replace = killed
shutil.rmtree = lambda path, **_: os._exit(9) if path.name.endswith(sys.argv[2]) else None
with atomic_directory(Path(sys.argv[1]) / "b.c") as folder:
    (folder / "new").write_text("whole")
"""


def test_a_directory_is_the_one_before_or_its_successor_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    for moment, left in ((".partial", "before"), (".old", "new")):
        folder = tmp_path / moment / "b.c"
        folder.mkdir(parents=True)
        (folder / "before").write_text("whole")
        subprocess.run([sys.executable, "-c", REPLACE, str(folder.parent), moment], check=False)
        sweep(tmp_path)
        assert [path.name for path in folder.parent.iterdir()] == ["b.c"]
        assert [path.name for path in folder.iterdir()] == [left]


def test_what_a_living_process_writes_and_other_files_stay(tmp_path: Path) -> None:
    others = [tmp_path / f".x.{os.getppid()}.partial", tmp_path / "x.partial", tmp_path / ".x.partial"]
    for path in others:
        path.write_text("")
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)
    with atomic_file(tmp_path / "y") as partial:
        partial.write_text("whole")
    assert (tmp_path / "y").read_text() == "whole"


def test_a_link_to_a_directory_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "old").write_text("old")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "current").symlink_to(Path("..", "elsewhere"))
    for number in range(2):
        with atomic_directory(tmp_path / "links" / "current") as partial:
            (partial / f"new{number}").write_text("new")
        assert (tmp_path / "links" / "current").readlink() == Path("..", "elsewhere")
        assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == [f"new{number}"]
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "links"}
    assert {path.name for path in (tmp_path / "links").iterdir()} == {"current"}


def test_a_private_file_is_so_before_anything_stands_in_it(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "x", PRIVATE) as partial:
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        assert partial.stat().st_size == 0
        partial.write_text("secret")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o600
    assert (tmp_path / "x").read_text() == "secret"


def test_a_file_that_is_written_over_stays_one_file_of_one_length(tmp_path: Path) -> None:
    path = tmp_path / "new" / "head"
    overwrite(path, "a longer text", 64)
    first = path.stat()
    overwrite(path, "short", 64)
    last = path.stat()
    assert (path.read_text().strip(), last.st_size, last.st_ino) == ("short", 64, first.st_ino)
    assert stat.S_IMODE(last.st_mode) == 0o600


def test_half_a_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes("eins\nzwö".encode()[:-1])
    with path.open("rb") as file:
        lines, place = whole_lines(file, 0)
    assert (lines, place) == (["eins"], 5)
    path.write_bytes("eins\nzwö\ndrei\n".encode())
    with path.open("rb") as file:
        assert whole_lines(file, place) == (["zwö", "drei"], 15)
        assert whole_lines(file, 15) == ([], 15)
