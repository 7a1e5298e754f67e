"""The labels that a recording can carry: the vocabulary of every archive, store and evaluation."""

from __future__ import annotations

VOCABULARY: dict[str, str] = {
    "AF": "atrial fibrillation",
    "AFL": "atrial flutter",
    "SINUS": "rhythm of sinus origin at any rate; annotated only where the source states a rhythm",
    "SARRH": "sinus arrhythmia",
    "SBRAD": "sinus bradycardia",
    "STACH": "sinus tachycardia",
    "AVB1": "first-degree atrioventricular block",
    "RBBB": "right bundle branch block, complete or not further specified",
    "IRBBB": "incomplete right bundle branch block",
    "LBBB": "left bundle branch block, complete or not further specified",
    "LAFB": "left anterior fascicular block",
    "PAC": "premature atrial or supraventricular complexes",
    "PVC": "premature ventricular complexes",
    "PACE": "pacemaker rhythm",
    "MI": "any statement of acute or old myocardial infarction",
    "LVH": "left ventricular hypertrophy, voltage criteria included",
    "STD": "ST depression",
    "STE": "ST elevation",
    "TWA": "T wave abnormality: inverted, flat or non-specific",
    "LQRSV": "low QRS voltages",
    "LQT": "prolonged QT interval",
    "NORM": "normal ECG",
    "CHAGAS": "Chagas disease, by serology or self-report",
}
"""Label → definition, in the fixed order of the store's columns. Age and sex are columns of their own."""
