"""Takes out of a log what could name a patient, a person, a place or a machine: only words of this project's own stay.

What is known by name (site, cohorts, hosts, paths) is replaced by what it is. Of the rest a word stays if it stands in
this project's code, from which its log lines are made, and a number if it is short; all else is cut out. Names that
nobody thought of, such as one in the text of an exception, are no words of the code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
CUT = "⟨…⟩"
LONGEST_NUMBER = 5
"""Digits."""
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)?")
_FRAME = re.compile(r'File "(?:[^"]*/)?((?:cape_fed|client|server|flwr|torch|numpy|pyarrow)/[^"]+\.py)", line (\d+)')
_PATTERNS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.I), "⟨address⟩"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "⟨mail⟩"),
    (re.compile(r"(?<![\w⟩])(?:~|[A-Za-z]:|\.{1,2})?[/\\][^\s'\",;:)\]]+"), "⟨path⟩"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "⟨address⟩"),
    (re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}(?![\w:.])", re.I), "⟨address⟩"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}\.\d{1,2}\.\d{4}\b|\b\d{1,2}/\d{1,2}/\d{2,4}\b"), "⟨date⟩"),
)
_TOKEN = re.compile(r"⟨[^⟩]*⟩|[^\W_]+")


class Scrubber:
    """Cleans line by line."""

    def __init__(self, known: Mapping[str, str], keep: Iterable[str] = (), records: Collection[str] = ()) -> None:
        """``known`` maps names to what stands in their place, ``keep`` are further words that may stay.

        ``records`` are names of recordings and keys of patients, which go even where they look like words.
        """
        names = sorted((name for name in known if name), key=len, reverse=True)
        self._stand_ins = {name.casefold(): known[name] for name in names}
        self._known = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names) or r"(?!)", re.I)
        self._keep = frozenset(keep)
        words = sorted(records, key=len, reverse=True)
        self._records = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words) or r"(?!)")

    def line(self, text: str) -> str:
        """One line without what is to be taken out; the time that it begins with stays."""
        stamp = _STAMP.match(text)
        begin = stamp[0] if stamp else ""
        rest = text[len(begin) :]
        frame = _FRAME.search(rest)
        if frame:
            return f'{begin}  File "{frame[1]}", line {frame[2]}'
        rest = self._known.sub(lambda match: self._stand_ins[match[0].casefold()], rest)
        rest = self._records.sub("⟨record⟩", rest)
        for pattern, stand_in in _PATTERNS:
            rest = pattern.sub(stand_in, rest)
        return begin + _joined(_TOKEN.sub(self._token, rest))

    def _token(self, match: re.Match[str]) -> str:
        token = match[0]
        if token.startswith("⟨") or token in self._keep or token in words_of_the_code():
            return token
        return token if token.isdigit() and len(token) <= LONGEST_NUMBER else CUT


@cache
def words_of_the_code() -> frozenset[str]:
    """Every word in this project's code, as it is written there."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        found.update(re.findall(r"[^\W_]+", path.read_text(encoding="utf-8")))
    return frozenset(word for word in found if not word.isdigit())


def _joined(text: str) -> str:
    """Cuts that follow each other as one."""
    return re.sub(rf"{re.escape(CUT)}(?:[\W_]{{0,3}}{re.escape(CUT)})+", CUT, text)
