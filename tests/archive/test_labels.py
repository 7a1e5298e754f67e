from __future__ import annotations

import pytest

from cape_fed.archive.codes import CODE15_COLUMNS, CPSC, SCP, SNOMED
from cape_fed.archive.labels import IMPLIES, Meaning, Scheme, combine
from cape_fed.archive.phrases import LABELS
from cape_fed.vocabulary import VOCABULARY


@pytest.mark.parametrize("scheme", [SNOMED, SCP, CPSC], ids=lambda scheme: scheme.name)
def test_schemes_speak_the_vocabulary(scheme: Scheme) -> None:
    for meaning in scheme.meanings.values():
        assert {*meaning.positive, *meaning.unclear} <= set(VOCABULARY)
    assert scheme.labels <= set(VOCABULARY)


def test_other_sources_speak_the_vocabulary() -> None:
    assert set(CODE15_COLUMNS.values()) | LABELS | set(IMPLIES) <= set(VOCABULARY)


def test_snomed_codes_are_numbers_of_their_length() -> None:
    assert all(code.isdecimal() and 6 <= len(code) <= 18 for code in SNOMED.meanings)


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("164889003", "AF"),
        ("164890007", "AFL"),
        ("426783006", "SINUS"),
        ("427393009", "SARRH"),
        ("426177001", "SBRAD"),
        ("427084000", "STACH"),
        ("270492004", "AVB1"),
        ("59118001", "RBBB"),
        ("713427006", "RBBB"),
        ("713426002", "IRBBB"),
        ("164909002", "LBBB"),
        ("733534002", "LBBB"),
        ("445118002", "LAFB"),
        ("284470004", "PAC"),
        ("63593006", "PAC"),
        ("427172004", "PVC"),
        ("17338001", "PVC"),
        ("164884008", "PVC"),
        ("10370003", "PACE"),
        ("164865005", "MI"),
        ("164873001", "LVH"),
        ("55827005", "LVH"),
        ("429622005", "STD"),
        ("164931005", "STE"),
        ("164934002", "TWA"),
        ("59931005", "TWA"),
        ("251146004", "LQRSV"),
        ("111975006", "LQT"),
    ],
)
def test_snomed(code: str, label: str) -> None:
    labels = SNOMED.annotate([code]).labels
    assert [name for name, value in labels.items() if value and name not in IMPLIES.get(label, ())] == [label]


def test_what_is_not_on_the_list_is_absent_and_what_may_be_on_it_is_not_annotated() -> None:
    annotation = SNOMED.annotate(["6374002", "427084000", "39732003"])
    assert annotation.labels["AF"] is False
    assert annotation.labels["SINUS"] is True
    assert not {"RBBB", "IRBBB", "LBBB"} & set(annotation.labels)
    assert annotation.unmapped == ("39732003",)


@pytest.mark.parametrize(
    ("codes", "sinus"), [([], None), (["59118001"], None), (["164889003"], False), (["426177001"], True)]
)
def test_sinus_rhythm_is_annotated_where_a_rhythm_is_stated(codes: list[str], sinus: bool | None) -> None:
    assert SNOMED.annotate(codes).labels.get("SINUS") is sinus


def test_chagas_is_no_ecg_statement() -> None:
    assert "CHAGAS" not in SNOMED.labels | SCP.labels | CPSC.labels


def test_cpsc_knows_its_nine_classes_only() -> None:
    assert CPSC.annotate(["AF", "RBBB"]).labels == {
        label: label in ("AF", "RBBB") for label in VOCABULARY if label in CPSC.labels
    }
    assert len(CPSC.labels) == 9


def test_asserted_wins_over_unclear() -> None:
    labels = combine(frozenset({"AF", "MI"}), [Meaning(unclear=("MI", "AF")), Meaning(("MI",))])
    assert labels == {"MI": True}
