from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from cape_fed.archive.paths import on_disk, printable
from cape_fed.archive.registry import get_reader
from tests.archive.files import counts, ecg, write_wfdb


@pytest.mark.parametrize("stored", [b"caf\xc3\xa9", b"caf\xe9", unicodedata.normalize("NFD", "café").encode()])
@pytest.mark.parametrize("written", ["café/a.hea", "café\\a.hea", unicodedata.normalize("NFD", "café/a.hea")])
def test_files_are_found_under_other_spellings(tmp_path: Path, stored: bytes, written: str) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/" + stored))
    write_wfdb(folder / "a", counts(ecg(fs=100)), fs=100)
    (tmp_path / "manifest.csv").write_text(f"path,patient_id\n{written},7\n")
    reader = get_reader("manifest")
    (entry,) = reader.entries(tmp_path)
    assert reader.read(tmp_path, entry).patient == "7"
    assert entry.record == written


def test_what_is_not_there_keeps_its_name(tmp_path: Path) -> None:
    assert on_disk(tmp_path, "café/b") == "café/b"
    assert on_disk(tmp_path, "b") == "b"


def test_printable() -> None:
    assert printable(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert printable("café") == "café"
