from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cape_fed.archive.detect import guess_format
from cape_fed.archive.registry import READERS, get_reader
from cape_fed.errors import InputError
from cape_fed.vocabulary import VOCABULARY
from tests.archive.files import counts, ecg, write_wfdb


@pytest.mark.parametrize("name", READERS)
def test_readers_are_named_plain_values(name: str) -> None:
    reader = get_reader(name, verify=True)
    assert reader.name == name
    assert pickle.loads(pickle.dumps(reader)) == reader
    assert reader.explicit_labels <= set(VOCABULARY)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"wfdb, ptbxl, code15, mimic-iv-ecg, manifest"):
        get_reader("edf")


@pytest.mark.parametrize("name", READERS)
def test_nothing_there_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(InputError) as caught:
            list(get_reader(name).entries(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ptbxl_database.csv", "ptbxl"),
        ("exams.csv", "code15"),
        ("record_list.csv", "mimic-iv-ecg"),
        ("manifest.csv", "manifest"),
    ],
)
def test_formats_are_guessed_by_their_tables(tmp_path: Path, file: str, name: str) -> None:
    write_wfdb(tmp_path / "x/y/z", counts(ecg(seconds=1)))
    assert guess_format(tmp_path) == "wfdb"
    (tmp_path / file).write_text("")
    assert guess_format(tmp_path) == name


def test_no_guess(tmp_path: Path) -> None:
    (tmp_path / "a.edf").write_text("")
    assert guess_format(tmp_path) is None
    assert guess_format(tmp_path / "a.edf") is None
