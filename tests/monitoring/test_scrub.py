from __future__ import annotations

import pytest

from cape_fed.monitoring.scrub import CUT, Scrubber, words_of_the_code

KNOWN = {"St. Mary's": "⟨site⟩", "cardiology": "⟨cohort 1⟩", "ecg-node-7": "⟨host⟩", "fed.example.org": "⟨coordinator⟩"}


@pytest.fixture
def scrubber() -> Scrubber:
    return Scrubber(KNOWN, keep=["0123456789ab"], records={"JS00017", "a1", "4711"})


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        (
            "2026-01-31 08:05:09,123 INFO cape_fed.site.handlers site St. Mary's: round 3 trained in 12.5 s",
            "2026-01-31 08:05:09,123 INFO cape_fed.site.handlers site ⟨site⟩: round 3 trained in 12.5 s",
        ),
        ("site st. mary's, cohort CARDIOLOGY: run 0123456789ab", "site ⟨site⟩, cohort ⟨cohort 1⟩: run 0123456789ab"),
        ("cannot read /srv/stores/John Doe/x.npy", f"cannot read ⟨path⟩ {CUT}/x.npy"),
        ("open C:\\archive\\doe.hea", "open ⟨path⟩"),
        ("record JS00017 of patient 4711", "record ⟨record⟩ of patient ⟨record⟩"),
        ("KeyError: 'Jane Roe, dob 1961-02-03'", f"KeyError: '{CUT} ⟨date⟩'"),
        ("from 10.1.2.3:443 and fe80::1ff:fe23:4567:890a", "from ⟨address⟩ and ⟨address⟩"),
        ("ask jane.roe@hospital.example or https://hospital.example/x", "ask ⟨mail⟩ or ⟨address⟩"),
        ("number 123456789 and 12345", f"number {CUT} and 12345"),
        ("node ecg-node-7 at fed.example.org", "node ⟨host⟩ at ⟨coordinator⟩"),
        ("a field and a1", "a field and ⟨record⟩"),
    ],
)  # fmt: skip
def test_lines(scrubber: Scrubber, line: str, clean: str) -> None:
    assert scrubber.line(line) == clean


def test_a_frame_of_a_traceback_keeps_the_place_in_the_code(scrubber: Scrubber) -> None:
    line = '  File "/home/jane/venv/lib/cape_fed/site/answering.py", line 12, in answer_as'
    assert scrubber.line(line) == '  File "cape_fed/site/answering.py", line 12'
    assert "jane" not in scrubber.line('  File "/home/jane/own.py", line 3, in <module>')


@pytest.mark.parametrize("name", ["Müller", "Jane", "Nguyen", "Garcia", "O'Brien", "李", "Kowalski", "Smith", "Anna"])
def test_a_name_that_nobody_thought_of_is_cut_out(scrubber: Scrubber, name: str) -> None:
    for line in (f"could not read {name}", f"'{name}'", f"x={name}_ecg.hea", f"{name.upper()}.{name.lower()}"):
        assert name.casefold() not in scrubber.line(line).casefold()


def test_the_words_are_those_of_the_code() -> None:
    assert {"trained", "refused", "answering", "INFO"} <= words_of_the_code()
    assert "Müller" not in words_of_the_code()
