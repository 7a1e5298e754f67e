"""Diagnosis statements in English prose: ECG machines' reports and annotators' remarks.

Conservative: what follows a word of doubt, negation or cause ("possible", "cannot rule out", "may be due to") makes
its labels unclear and never positive. So does the phrase before, where the word is the last of it ("infarct possible,
age undetermined") or names an alternative ("versus"). A word that turns or dates the whole statement ("has resolved",
"previously", a question mark) does so for all of its labels. Wording: the report columns of MIMIC-IV-ECG and the
comments of LUDB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from cape_fed.archive.labels import Meaning, combine, expressible

_OF_THE_HEART = "".join(
    f"(?<!{words} )"
    for words in ("wandering", "wandering atrial", "ectopic", "ectopic atrial", "junctional", "nodal", "competing")
)
"""What stands before a pacemaker that is no device."""
_INCOMPLETE_AFTER = r"\W*incomplete(?! (left|right|[lr]bbb|laf))"
_RULES: tuple[tuple[re.Pattern[str], Meaning], ...] = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (r"^\W*(normal ecg|within normal limits)\W*$", Meaning(("NORM",))),
        (r"(otherwise normal|borderline ecg|normal ecg except|normal ecg based)", Meaning(unclear=("NORM",))),
        (r"atrial fib(?!\w*[ /](or |and |vs |versus |/)?flutter)", Meaning(("AF",), excludes_sinus=True)),
        (r"atrial flutter", Meaning(("AFL",), excludes_sinus=True)),
        (r"atrial fib\w*[ /](or |and |vs |versus )?flutter", Meaning(unclear=("AF", "AFL"), excludes_sinus=True)),
        (r"sinus rhythm", Meaning(("SINUS",))),
        (r"sinus arr?hythmia", Meaning(("SARRH",))),
        (r"sinus brady", Meaning(("SBRAD",))),
        (r"sinus tachy", Meaning(("STACH",))),
        (
            r"junctional (rhythm|tachy|brady)|supraventricular tachy|atrial (rhythm|tachy)|idioventricular"
            r"|ventricular (rhythm|tachy|fibrillation)|wandering|ectopic atrial pacemaker|junctional pacemaker",
            Meaning(excludes_sinus=True),
        ),
        (r"(1st|first|\bi) degree", Meaning(("AVB1",))),
        (r"(prolonged|long) pr\b", Meaning(unclear=("AVB1",))),
        (rf"(?<!incomplete )(right bundle branch block|\brbbb)(?!{_INCOMPLETE_AFTER})", Meaning(("RBBB",))),
        (
            r"incomplete (right bundle branch block|rbbb)|\birbbb"
            rf"|(right bundle branch block|\brbbb){_INCOMPLETE_AFTER}",
            Meaning(("IRBBB",)),
        ),
        (rf"(?<!incomplete )(left bundle branch block|\blbbb)(?!{_INCOMPLETE_AFTER})", Meaning(("LBBB",))),
        (r"left anterior (fascicular|hemi)|\blafb\b", Meaning(("LAFB",))),
        (
            r"\bpacs?\b|(atrial|supraventricular) (premature|extrasyst|bigemin|trigemin)"
            r"|premature (atrial|supraventricular)",
            Meaning(("PAC",)),
        ),
        (
            r"\bpvcs?\b(?!\(s\) or)(?! or)|(?<!supra)ventricular (premature|extrasyst|bigemin|trigemin)"
            r"|premature ventricular",
            Meaning(("PVC",)),
        ),
        (r"\bpvcs?(\(s\))? or", Meaning(unclear=("PVC",))),
        (r"(?<!ventricular )(?<!atrial )(premature|ectopic) (complex|beat)", Meaning(unclear=("PAC", "PVC"))),
        (
            r"^(?!.*(\bp[av]cs?\b|premature|(ventricular|atrial) (bi|tri)gemin)).*(bi|tri)gemin",
            Meaning(unclear=("PAC", "PVC")),
        ),
        (rf"\bpac(ed|ing)\b|{_OF_THE_HEART}\bpacemaker\b", Meaning(("PACE",), excludes_sinus=True)),
        (r"infarct|\bn?stemi\b|scar formation|(?<!(?<!non )st elevation )\bmi\b", Meaning(("MI",))),
        (r"(?<!non )st elevation mi\b", Meaning(unclear=("MI",))),
        (r"left ventricular hypertrophy|\blvh\b", Meaning(("LVH",))),
        (r"(?<!left )(?<!right )ventricular hypertrophy", Meaning(unclear=("LVH",))),
        (r"\bst (segment )?dep", Meaning(("STD",))),
        (r"(?<!non )\bst (segment )?elev(?!ation mi)", Meaning(("STE",))),
        (
            r"(?<!qrs )\bst( segment)?( (and|&) t( wave)?| ?/ ?t( wave)?| t( wave)?)? (change|abn)|change in st\b",
            Meaning(unclear=("STD", "STE")),
        ),
        (r"\bst ?[ /] ?t( wave)? (change|abn)|repolari[sz]ation", Meaning(unclear=("TWA",))),
        (
            r"(?<!\bst )(?<!/)(?<!/ )(?<!qrs )\bt (wave )?(changes|abn\w*|inversions?)|inverted t"
            r"|abnormal t\b(?! (wave )?axis)",
            Meaning(("TWA",)),
        ),
        (r"low (qrs )?voltage", Meaning(("LQRSV",))),
        (r"(prolonged|long) qt|\bqtc? (interval )?(is )?(prolong|long\b)", Meaning(("LQT",))),
    )
)
_DOUBT = re.compile(
    r"\b(poss(ib\w+)?|prob(ab\w+)?|consider|cannot|can not|rule out|r/o|may be|suggest\w*|suspect\w*|suspici\w*"
    r"|concern\w* (for|of|about)|borderline|questionable|equivocal|undefined|undetermined rhythm|due to|no|not|without"
    r"|w/o|absence|free of|insufficient|fail(s|ed)? to|versus|vs|likely|could|might|perhaps|presum\w*|doubtful|exclude"
    r"|query)\b|\bnon ?(?=sinus|atrial|ventricular|junctional|paced|infarct)"
)
"""Words of doubt and negation; what follows them is not asserted."""
_PHRASE_END = re.compile(r" ?([,;()]|:(?!\d)|\.(?= |$)|(?<= )-+(?= ))|\W*$")
_LOOKS_BACK = re.compile(
    r"(versus|vs)\b"
    r"|(poss(ible)?|prob(able)?|likely|suspected|questionable|equivocal|doubtful) (with|and|or|but|in|on|at|by|age)\b"
)
"""Doubt of what stands before it: alternatives, and adjectives after their noun."""
_ABBREVIATION = re.compile(r"\b(poss|prob|vs)\.")
_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_TURNED = re.compile(
    r"\?|(?<!can )\bnot\b|\bno (longer|more|change|significant change)"
    r"|\b(absent|excluded|ruled out|never|neither|nor|denie[sd]|negative for|unlikely|resol\w+|replac\w+|disappeared"
    r"|gone|convert\w+|reverted|terminated|ceased|cleared|normali[sz]ed|instead|previous\w*|prior|former\w*|earlier"
    r"|history|compar\w+|since|last (ecg|tracing))\b"
)
"""Words that leave open whether the statement holds now, wherever they stand in it."""
_NOT_READ = re.compile(r"analysis error|no further analysis|not performed|unsuitable for analysis|uninterpretable")

_RHYTHMS = frozenset({"SINUS", "SARRH", "SBRAD", "STACH", "AF", "AFL", "PACE"})
_ENGLISH = re.compile(r"\b(rhythm|bradycardia|tachycardia|arrhythmia|fibrillation|flutter|paced)\b")
"""Words of rhythm statements that other languages spell in another way."""

LABELS = expressible(meaning for _, meaning in _RULES)
"""Labels that prose can express."""


@lru_cache(maxsize=65536)
def meaning_of(statement: str) -> Meaning | None:
    """What one line of prose means, None where it names nothing of the vocabulary."""
    text = _HYPHEN.sub(" ", _ABBREVIATION.sub(r"\1", " ".join(statement.lower().split())))
    split = _certain_until(text)
    certain = _matching(text[:split])
    doubtful = _matching(text[split:])
    if not certain and not doubtful:
        return None
    return Meaning(
        positive=tuple(label for meaning in certain for label in meaning.positive),
        unclear=tuple(
            [label for meaning in doubtful for label in (*meaning.positive, *meaning.unclear)]
            + [label for meaning in certain for label in meaning.unclear]
        ),
        excludes_sinus=any(meaning.excludes_sinus for meaning in certain),
    )


def annotate_prose(statements: Iterable[str]) -> dict[str, bool]:
    """Labels of one record from the lines of its report; empty where there is none or the machine gave up."""
    lines = [line for line in statements if line.strip()]
    if not lines or any(_NOT_READ.search(line.lower()) for line in lines):
        return {}
    return combine(LABELS, filter(None, map(meaning_of, lines)))


def _certain_until(text: str) -> int:
    """Length of the part of a statement that is asserted."""
    if _TURNED.search(text):
        return 0
    return min((_reach(text, doubt) for doubt in _DOUBT.finditer(text)), default=len(text))


def _reach(text: str, doubt: re.Match[str]) -> int:
    """Where a doubt begins: at its word, or with the phrase before where that is meant ("LBBB, possible")."""
    if not _LOOKS_BACK.match(text, doubt.start()) and not _PHRASE_END.match(text, doubt.end()):
        return doubt.start()
    before = text[: doubt.start()]
    begins = (0, *(end.end() for end in _PHRASE_END.finditer(before)))
    return max((begin for begin in begins if re.search(r"\w", before[begin:])), default=0)


def _matching(text: str) -> list[Meaning]:
    return [meaning for pattern, meaning in _RULES if pattern.search(text)]


def annotate_report(statements: Iterable[str]) -> dict[str, bool]:
    """Labels from the statements of a cart whose language is not known; empty unless a rhythm is named in English.

    In another language nothing would be understood, and everything would look absent.
    """
    lines = list(statements)
    if not any(_ENGLISH.search(line.lower()) and _names_rhythm(line) for line in lines):
        return {}
    return annotate_prose(lines)


def _names_rhythm(line: str) -> bool:
    meaning = meaning_of(line)
    return meaning is not None and (meaning.excludes_sinus or not _RHYTHMS.isdisjoint(meaning.positive))
