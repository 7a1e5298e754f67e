"""Diagnosis codes of public archives and what they mean in the vocabulary.

Sources: the PhysioNet/CinC Challenge 2021 tables ``dx_mapping_scored.csv`` and ``dx_mapping_unscored.csv`` (SNOMED CT),
PTB-XL's ``scp_statements.csv`` (SCP-ECG), the CPSC 2018 class list, the rhythm names of Zheng et al. 2020 (Chapman) and
the column description of CODE-15%.
"""

from __future__ import annotations

from cape_fed.archive.labels import Meaning, Scheme

_OTHER_RHYTHM = Meaning(excludes_sinus=True)
_AF = Meaning(("AF",), excludes_sinus=True)
_AFL = Meaning(("AFL",), excludes_sinus=True)
_PACE = Meaning(("PACE",), excludes_sinus=True)


def _is(*labels: str) -> Meaning:
    return Meaning(positive=labels)


def _may_be(*labels: str) -> Meaning:
    return Meaning(unclear=labels)


SNOMED = Scheme(
    "SNOMED CT",
    {
        "164889003": _AF,  # atrial fibrillation
        "282825002": _AF,  # paroxysmal
        "426749004": _AF,  # chronic
        "314208002": _AF,  # rapid
        "164890007": _AFL,  # atrial flutter
        "195080001": Meaning(unclear=("AF", "AFL"), excludes_sinus=True),  # atrial fibrillation and flutter
        "426783006": Meaning(("SINUS",), unclear=("NORM",)),  # sinus rhythm, which is also all that normal ECGs get
        "427393009": _is("SARRH"),  # sinus arrhythmia
        "426177001": _is("SBRAD"),  # sinus bradycardia
        "427084000": _is("STACH"),  # sinus tachycardia
        "426627000": _may_be("SBRAD"),  # bradycardia
        "270492004": _is("AVB1"),  # first-degree AV block
        "164947007": _may_be("AVB1"),  # prolonged PR interval
        "233917008": _may_be("AVB1"),  # AV block
        "59118001": _is("RBBB"),  # right bundle branch block
        "713427006": _is("RBBB"),  # complete
        "713426002": _is("IRBBB"),  # incomplete right bundle branch block
        "164909002": _is("LBBB"),  # left bundle branch block
        "733534002": _is("LBBB"),  # complete
        "6374002": _may_be("RBBB", "IRBBB", "LBBB"),  # bundle branch block
        "445118002": _is("LAFB"),  # left anterior fascicular block
        "284470004": _is("PAC"),  # premature atrial contraction
        "63593006": _is("PAC"),  # supraventricular premature beats
        "251170000": _is("PAC"),  # blocked premature atrial contraction
        "251173003": _is("PAC"),  # atrial bigeminy
        "251168009": _is("PAC"),  # supraventricular bigeminy
        "427172004": _is("PVC"),  # premature ventricular contractions
        "17338001": _is("PVC"),  # ventricular premature beats
        "164884008": _is("PVC"),  # ventricular ectopics
        "11157007": _is("PVC"),  # ventricular bigeminy
        "251180001": _is("PVC"),  # ventricular trigeminy
        "251182009": _is("PVC"),  # paired ventricular premature complexes
        "10370003": _PACE,  # pacing rhythm
        "251268003": _PACE,  # atrial pacing pattern
        "251266004": _PACE,  # ventricular pacing pattern
        "164865005": _is("MI"),  # myocardial infarction
        "57054005": _is("MI"),  # acute
        "54329005": _is("MI"),  # anterior
        "164867002": _is("MI"),  # old
        "164873001": _is("LVH"),  # left ventricular hypertrophy
        "55827005": _is("LVH"),  # left ventricular high voltage
        "266249003": _may_be("LVH"),  # ventricular hypertrophy
        "429622005": _is("STD"),  # ST depression
        "704997005": _is("STD"),  # inferior ST segment depression
        "164931005": _is("STE"),  # ST elevation
        "55930002": _may_be("STD", "STE"),  # ST changes
        "164930006": _may_be("STD", "STE"),  # ST interval abnormal
        "428750005": _may_be("STD", "STE", "TWA"),  # non-specific ST-T abnormality
        "164934002": _is("TWA"),  # T wave abnormal
        "59931005": _is("TWA"),  # T wave inversion
        "251146004": _is("LQRSV"),  # low QRS voltages
        "111975006": _is("LQT"),  # prolonged QT interval
        "164854000": _is("NORM"),  # electrocardiogram normal
        "713422000": _OTHER_RHYTHM,  # atrial tachycardia
        "106068003": _OTHER_RHYTHM,  # atrial rhythm
        "233892002": _OTHER_RHYTHM,  # accelerated atrial escape rhythm
        "195101003": _OTHER_RHYTHM,  # wandering atrial pacemaker
        "17366009": _OTHER_RHYTHM,  # sinus atrium to atrial wandering rhythm
        "426761007": _OTHER_RHYTHM,  # supraventricular tachycardia
        "233897008": _OTHER_RHYTHM,  # AV re-entrant tachycardia
        "251166008": _OTHER_RHYTHM,  # AV node re-entrant tachycardia
        "29320008": _OTHER_RHYTHM,  # AV junctional rhythm
        "426664006": _OTHER_RHYTHM,  # accelerated junctional rhythm
        "426648003": _OTHER_RHYTHM,  # junctional tachycardia
        "49260003": _OTHER_RHYTHM,  # idioventricular rhythm
        "61277005": _OTHER_RHYTHM,  # accelerated idioventricular rhythm
        "81898007": _OTHER_RHYTHM,  # ventricular escape rhythm
        "164895002": _OTHER_RHYTHM,  # ventricular tachycardia
        "164896001": _OTHER_RHYTHM,  # ventricular fibrillation
        "111288001": _OTHER_RHYTHM,  # ventricular flutter
    },
)

CPSC = Scheme(
    "CPSC 2018",
    {
        "Normal": _is("NORM"),
        "AF": _AF,
        "I-AVB": _is("AVB1"),
        "LBBB": _is("LBBB"),
        "RBBB": _is("RBBB"),
        "PAC": _is("PAC"),
        "PVC": _is("PVC"),
        "STD": _is("STD"),
        "STE": _is("STE"),
    },
)

RHYTHM = Scheme(
    "Chapman rhythms",
    {
        "SR": _is("SINUS"),
        "SB": _is("SBRAD"),
        "ST": _is("STACH"),
        "SA": _is("SARRH"),
        "SI": _is("SARRH"),  # sinus irregularity, the name before
        "AFIB": _AF,
        "AFLT": _AFL,
        "AF": Meaning(unclear=("AF", "AFL"), excludes_sinus=True),  # flutter at Chapman, fibrillation elsewhere
        **dict.fromkeys(("AT", "SVT", "AVNRT", "AVRT", "SAAWR"), _OTHER_RHYTHM),
    },
)

_INFARCTION = ("IMI", "ASMI", "ILMI", "AMI", "ALMI", "LMI", "IPLMI", "IPMI", "PMI")
_INJURY = ("INJAS", "INJAL", "INJIN", "INJLA", "INJIL")
_T_WAVE = ("NDT", "NT_", "INVT", "LOWT", "TAB_")

SCP = Scheme(
    "SCP-ECG",
    {
        "NORM": _is("NORM"),
        "AFIB": _AF,
        "AFLT": _AFL,
        "SR": _is("SINUS"),
        "SARRH": _is("SARRH"),
        "SBRAD": _is("SBRAD"),
        "STACH": _is("STACH"),
        "SVARR": _OTHER_RHYTHM,
        "SVTAC": _OTHER_RHYTHM,
        "PSVT": _OTHER_RHYTHM,
        "PACE": _PACE,
        "1AVB": _is("AVB1"),
        "LPR": _may_be("AVB1"),  # prolonged PR interval
        "CRBBB": _is("RBBB"),
        "IRBBB": _is("IRBBB"),
        "CLBBB": _is("LBBB"),
        "LAFB": _is("LAFB"),
        "PAC": _is("PAC"),
        "PVC": _is("PVC"),
        "PRC(S)": _may_be("PAC", "PVC"),  # premature complexes of either origin
        "BIGU": _may_be("PAC", "PVC"),
        "TRIGU": _may_be("PAC", "PVC"),
        "LVH": _is("LVH"),
        "VCLVH": _is("LVH"),  # voltage criteria
        "STD_": _is("STD"),
        "STE_": _is("STE"),
        "NST_": _may_be("STD", "STE"),  # non-specific ST changes
        "LVOLT": _is("LQRSV"),
        "LNGQT": _is("LQT"),
        **dict.fromkeys(_INFARCTION, _is("MI")),
        **dict.fromkeys(_INJURY, _may_be("MI")),  # subendocardial injury, which PTB-XL groups with infarction
        **dict.fromkeys(_T_WAVE, _is("TWA")),
    },
)

CODE15_COLUMNS: dict[str, str] = {
    "1dAVb": "AVB1",
    "RBBB": "RBBB",
    "LBBB": "LBBB",
    "SB": "SBRAD",
    "ST": "STACH",
    "AF": "AF",
    "normal_ecg": "NORM",
}
"""Boolean columns of CODE-15%'s exams.csv."""
