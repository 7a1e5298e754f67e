from __future__ import annotations

import pytest

from cape_fed.archive.phrases import annotate_prose, meaning_of


@pytest.mark.parametrize(
    ("statement", "positive", "unclear"),
    [
        ("Sinus rhythm", "SINUS", ""),
        ("Sinus bradycardia", "SBRAD", ""),
        ("Sinus rhythm with PAC(s).", "SINUS PAC", ""),
        ("Sinus rhythm with PVCs", "SINUS PVC", ""),
        ("Sinus rhythm with 1st degree A-V block", "SINUS AVB1", ""),
        ("Sinus rhythm with borderline 1st degree A-V block", "SINUS", "AVB1"),
        ("Atrial fibrillation with rapid ventricular response", "AF", ""),
        ("Atrial fibrillation with PVC(s) or aberrant ventricular conduction.", "AF", "PVC"),
        ("Atrial fibrillation or flutter", "", "AF AFL"),
        ("A-V paced rhythm", "PACE", ""),
        ("Right bundle branch block", "RBBB", ""),
        ("Incomplete RBBB", "IRBBB", ""),
        ("Incomplete left bundle branch block", "", ""),
        ("RBBB with left anterior fascicular block", "RBBB LAFB", ""),
        ("IVCD, consider atypical RBBB", "", "RBBB"),
        ("Inferior infarct - age undetermined", "MI", ""),
        ("Possible anterior infarct - age undetermined", "", "MI"),
        ("*** CONSIDER ACUTE ST ELEVATION MI ***", "", "MI"),
        ("Cannot rule out septal infarct", "", "MI"),
        ("No evidence of infarct", "", "MI"),
        ("Left ventricular hypertrophy", "LVH", ""),
        ("Probable left ventricular hypertrophy", "", "LVH"),
        ("Extensive T wave changes may be due to hypertrophy and/or ischemia", "TWA", ""),
        ("Lateral ST-T changes are nonspecific", "", "STD STE TWA"),
        ("Low QRS voltages in precordial leads", "LQRSV", ""),
        ("Prolonged QT interval", "LQT", ""),
        ("Normal ECG", "NORM", ""),
        ("Normal ECG except for rate", "", "NORM"),
        ("- OTHERWISE NORMAL ECG -", "", "NORM"),
        ("Borderline ECG", "", "NORM"),
        ("Scar formation: inferior wall.", "MI", ""),
        ("Atrial fibrillation not seen", "", "AF"),
        ("Atrial fibrillation has resolved", "", "AF"),
        ("Atrial fibrillation is no longer present", "", "AF"),
        ("Sinus rhythm has replaced atrial fibrillation", "", "SINUS AF"),
        ("Infarct excluded", "", "MI"),
        ("Could be infarct", "", "MI"),
        ("Likely infarct", "", "MI"),
        ("Inferior infarct, possible", "", "MI"),
        ("Inferior infarct unlikely", "", "MI"),
        ("?LBBB", "", "LBBB"),
        ("LBBB?", "", "LBBB"),
        ("previously RBBB", "", "RBBB"),
        ("Since last ECG, atrial fibrillation is new", "", "AF"),
        ("Sinus rhythm, likely inferior infarct", "SINUS", "MI"),
        ("Sinus rhythm without PVCs", "SINUS", "PVC"),
        ("Sinus rhythm, r/o inferior infarct", "SINUS", "MI"),
        ("Inferior infarct, rule-out", "", "MI"),
        ("Sinus tachycardia vs atrial flutter", "", "STACH AFL"),
        ("Sinus tachycardia vs. atrial flutter", "", "STACH AFL"),
        ("Sinus tachycardia with 2:1 block vs flutter", "", "STACH"),
        ("Atrial fibrillation vs flutter", "", "AF AFL"),
        ("Sinus rhythm, infarct, rule out ***", "SINUS", "MI"),
        ("Sinus rhythm w/o ST elevation", "SINUS", "STE"),
        ("Sinus rhythm, free of infarct", "SINUS", "MI"),
        ("Sinus rhythm, poss. inferior infarct", "SINUS", "MI"),
        ("Prob LVH", "", "LVH"),
        ("Possibility of infarct", "", "MI"),
        ("ST elevation suspicious for infarct", "STE", "MI"),
        ("ST depression concerning for infarct", "STD", "MI"),
        ("Equivocal LVH", "", "LVH"),
        ("Insufficient criteria for LVH", "", "LVH"),
        ("Fails to meet criteria for LVH", "", "LVH"),
        ("Non-sinus rhythm", "", "SINUS"),
        ("Non-conducted PACs", "PAC", ""),
        ("Anterior infarct possible, age undetermined", "", "MI"),
        ("Anterior infarct possible (age undetermined)", "", "MI"),
        ("Sinus rhythm, LBBB, possible", "SINUS", "LBBB"),
        ("LVH likely with repolarization changes", "", "LVH TWA"),
        ("Sinus rhythm with possible inferior infarct", "SINUS", "MI"),
        ("Inferior infarct, possibly acute", "MI", ""),
        ("T wave changes likely due to LVH", "TWA", "LVH"),
        ("RBBB with RAD - possible left posterior fascicular block", "RBBB", ""),
        ("Wandering atrial pacemaker", "", ""),
        ("Atrial fibrillation with a competing junctional pacemaker", "AF", ""),
        ("Electronic atrial pacemaker", "PACE", ""),
        ("AV sequential or dual chamber electronic pacemaker", "PACE", ""),
        ("IRBBB", "IRBBB", ""),
        ("Right bundle branch block, incomplete", "IRBBB", ""),
        ("RBBB (incomplete)", "IRBBB", ""),
        ("RBBB, incomplete LBBB", "RBBB", ""),
        ("ILBBB", "", ""),
        ("LBBB, incomplete", "", ""),
        ("Nonspecific ST abnormality", "", "STD STE"),
        ("Non-specific change in ST segment", "", "STD STE"),
        ("Nonspecific ST and T wave abnormality", "TWA", "STD STE"),
        ("ST & T wave abnormality, consider inferior ischemia", "TWA", "STD STE"),
        ("Nonspecific ST-T abnormalities", "", "STD STE TWA"),
        ("ST-T wave changes", "", "STD STE TWA"),
        ("ST/T changes", "", "STD STE TWA"),
        ("ST-segment elevation", "STE", ""),
        ("NONSPECIFIC T-WAVE ABNORMALITY", "TWA", ""),
        ("Abnormal T, probable ischemia", "TWA", ""),
        ("Abnormal T axis", "", ""),
        ("Abnormal QRS-T angle", "", ""),
        ("Ventricular bigeminy", "PVC", ""),
        ("Ventricular trigeminy", "PVC", ""),
        ("Supraventricular bigeminy", "PAC", ""),
        ("Atrial fibrillation in a pattern of bigeminy", "AF", "PAC PVC"),
        ("Premature ventricular complexes in a pattern of bigeminy", "PVC", ""),
        ("Old inferior MI", "MI", ""),
        ("Acute MI", "MI", ""),
        ("Non-ST elevation MI", "MI", ""),
        ("Non-ST elevation myocardial infarction", "MI", ""),
        ("QTc prolonged", "LQT", ""),
        ("QT interval is prolonged", "LQT", ""),
        ("Low-voltage QRS", "LQRSV", ""),
        ("First-degree AV block", "AVB1", ""),
        ("- NORMAL ECG -", "NORM", ""),
    ],
)
def test_statements(statement: str, positive: str, unclear: str) -> None:
    meaning = meaning_of(statement)
    found = (set(), set()) if meaning is None else (set(meaning.positive), set(meaning.unclear))
    assert found == (set(positive.split()), set(unclear.split()))


@pytest.mark.parametrize("statement", ["Abnormal ECG", "Left axis deviation", "Report made without knowing sex", ""])
def test_statements_outside_the_vocabulary(statement: str) -> None:
    assert meaning_of(statement) is None


def test_a_rhythm_that_is_gone_does_not_deny_sinus_rhythm() -> None:
    labels = annotate_prose(["Atrial fibrillation has resolved"])
    assert "AF" not in labels
    assert "SINUS" not in labels


@pytest.mark.parametrize("statement", ["Wandering atrial pacemaker", "With a junctional pacemaker"])
def test_a_pacemaker_of_the_heart_is_no_device_and_denies_sinus_rhythm(statement: str) -> None:
    labels = annotate_prose([statement])
    assert labels["PACE"] is False
    assert labels["SINUS"] is False


def test_a_report_denies_what_it_does_not_mention() -> None:
    labels = annotate_prose(["Atrial fibrillation", "Possible inferior infarct", "Abnormal ECG"])
    assert labels["AF"] is True
    assert labels["SINUS"] is False
    assert labels["LBBB"] is False
    assert "MI" not in labels


@pytest.mark.parametrize("report", [[], ["", " "], ["Sinus rhythm", "--- No further analysis made ---"]])
def test_no_report_no_labels(report: list[str]) -> None:
    assert annotate_prose(report) == {}
