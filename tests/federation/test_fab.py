"""App bundles: the same bytes everywhere, and hostile ones refused before a byte of them is written or run."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk
from flwr.cli.install import install_from_fab

from cape_fed.appfiles import app_files, stage_app
from cape_fed.errors import InputError
from cape_fed.federation import fab
from cape_fed.federation.fab import LISTING, PROJECT, app_hash, pack, pack_app, read_app

FILES = {
    PROJECT: b'[project]\nname = "toy"\nversion = "1.2"\n[tool.flwr.app]\npublisher = "p"\n'
    b'[tool.flwr.app.components]\nserverapp = "s:app"\nclientapp = "c:app"\n',
    "c.py": b"app = 1\n",
    "a/b.py": b"",
}


def packed(files: dict[str, bytes], change: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO(pack(files))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        change(archive)
    return buffer.getvalue()


def test_flower_installs_the_files_that_were_packed(tmp_path: Path) -> None:
    where = install_from_fab(pack(FILES), tmp_path, skip_prompt=True)
    assert {
        path.relative_to(where).as_posix(): path.read_bytes() for path in where.rglob("*") if path.is_file()
    } == FILES
    assert where.name.endswith(hashlib.sha256(pack(FILES)).hexdigest()[:8])


def test_it_is_the_app_that_flower_would_pack(tmp_path: Path) -> None:
    """Only the project file is another: Flower writes it anew."""
    own, flowers = read_app(pack_app()), read_app(build_fab_from_disk(stage_app(tmp_path / "app")))
    assert own.files.keys() == flowers.files.keys()
    assert {name for name, content in own.files.items() if flowers.files[name] != content} == {PROJECT}
    assert (own.name, own.version) == (flowers.name, flowers.version) == ("cape-fed", own.version)
    assert len(pack_app()) < fab.LARGEST / 4


def test_the_bytes_do_not_depend_on_folder_umask_dates_order_or_locale(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cape_fed.appfiles import app_files; "
        "from cape_fed.federation.fab import pack; root = Path(sys.argv[1]); "
        "files = app_files(root / 'cape_fed', root); "
        "sys.stdout.buffer.write(pack({name: path.read_bytes() for name, path in reversed(files.items())}))"
    )
    made = set()
    for name, umask, when, language in (("one", 0o000, 1e9, "C"), ("deeper/two", 0o077, 1.5e9, "C.UTF-8")):
        root = tmp_path / name
        before = os.umask(umask)
        try:
            for file, path in sorted(app_files().items(), reverse=umask == 0):
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).write_bytes(path.read_bytes())
                os.utime(root / file, (when, when))
            (root / "cape_fed" / "__pycache__").mkdir()
            (root / "cape_fed" / "__pycache__" / "x.pyc").write_bytes(b"x")
            (root / "notes.txt").write_text("mine")
        finally:
            os.umask(before)
        env = {**os.environ, "LC_ALL": language, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": str(umask)}
        made.add(subprocess.run([sys.executable, "-c", code, root], env=env, check=True, capture_output=True).stdout)
    assert made == {pack_app()}


def test_an_installed_app_has_the_hash_of_the_bundle_that_it_came_in(tmp_path: Path) -> None:
    """So that a run can say which app it is."""
    where = install_from_fab(pack_app(), tmp_path, skip_prompt=True)
    code = "from cape_fed.federation.fab import app_hash; import cape_fed; print(cape_fed.__file__, app_hash())"
    env = {**os.environ, "PYTHONPATH": str(where)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == [str(where / "cape_fed" / "__init__.py"), app_hash()]


def test_one_changed_byte_is_another_app(tmp_path: Path) -> None:
    shutil.copytree(stage_app(tmp_path / "app") / "client", tmp_path / "client")
    files = {name: path.read_bytes() for name, path in app_files().items()}
    files["client/app.py"] += b"\n"
    assert hashlib.sha256(pack(files)).hexdigest() != app_hash()


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "outside": (lambda: packed(FILES, lambda z: z.writestr("../../etc/cron.d/x", b"x")), "leads outside"),
    "absolute": (lambda: packed(FILES, lambda z: z.writestr("/etc/x", b"x")), "leads outside"),
    "inner": (lambda: packed(FILES, lambda z: z.writestr("a/../../x.py", b"x")), "leads outside"),
    "backslash": (lambda: packed(FILES, lambda z: z.writestr("..\\x.py", b"x")), "a name that no file"),
    "control": (lambda: packed(FILES, lambda z: z.writestr("a\x1b[2Jb.py", b"x")), "a name that no file"),
    "folder": (lambda: packed(FILES, lambda z: z.writestr("empty/", b"")), "leads outside it or is no file"),
    "twice": (lambda: _twice(), "stands there twice"),
    "case": (lambda: packed(FILES, lambda z: z.writestr("C.PY", b"x")), "stands there twice"),
    "link": (lambda: packed(FILES, lambda z: z.writestr(_link(), b"/etc/shadow")), "no plain file"),
    "unlisted": (lambda: packed(FILES, lambda z: z.writestr("d.py", b"x")), "does not agree with it about 'd.py'"),
    "changed": (lambda: pack(FILES).replace(b"app = 1", b"app = 2"), "can be read"),
    "bomb": (lambda: packed(FILES, lambda z: z.writestr("zeros.py", bytes(60 * 1024 * 1024))), "may unpack to"),
    "liar": (lambda: _liar(), "can be read|another size"),
    "many": (lambda: pack({**FILES, **{f"{n}.py": b"" for n in range(5001)}}), "may unpack to"),
    "large": (lambda: bytes(fab.LARGEST + 1), "too large"),
    "no zip": (lambda: b"#!/bin/sh\nrm -rf /\n", "can be read"),
    "empty": (lambda: b"", "can be read"),
    "no listing": (lambda: _without_listing(), "does not list its files"),
    "no project": (lambda: pack({**FILES, PROJECT: b"x = 1"}), "names no project"),
    "odd name": (lambda: pack({**FILES, PROJECT: b'[project]\nname="a\\u001b[2J"\nversion="1"'}), "cannot be shown"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_bundles_are_input_errors(kind: str) -> None:
    make, words = HOSTILE[kind]
    with pytest.raises(InputError, match=words):
        read_app(make())


def _twice() -> bytes:
    return packed(FILES, lambda archive: archive.writestr("c.py", b"app = 2\n"))


def _link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("link.py")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


def _liar() -> bytes:
    """A bomb whose directory says that it is small."""
    size = 30 * 1024 * 1024
    content = packed(FILES, lambda archive: archive.writestr("zeros.py", bytes(size)))
    return content.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))


def _without_listing() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    assert LISTING not in FILES
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["client/__pycache__/app.cpython-311.pyc", "client/app.pyc"])
def test_byte_code_is_no_part_of_an_app(name: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(InputError, match="byte code, which nobody can read before approving"):
        read_app(content.getvalue())
