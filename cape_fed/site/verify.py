"""Whether a site's audit log is as it was written, and its entries in words."""

from __future__ import annotations

from typing import Any

from cape_fed.chain import FIRST, first_break
from cape_fed.errors import InputError, RunError
from cape_fed.site.audit import KIND, NUMBER, TIME, Head, log_file, read_entries, read_head
from cape_fed.site.config import SiteConfig
from cape_fed.site.egress import summarise
from cape_fed.site.errors import AuditError
from cape_fed.terminal import without_control

_SHOWN = {NUMBER, TIME, KIND, "records", "policy", "files"}


def verify_audit(site: SiteConfig, claimed: Head | None = None) -> str:
    """A line on a log that is as it was written, up to ``claimed``, which somebody else saw; RunError where it is not.

    Noticed are entries that were changed, removed or moved, by the chain; entries cut off at the end and an old copy of
    the log put back, by the hash that is kept outside its directory; and that put back too, by ``claimed``.
    """
    path, where = log_file(site), site.audit_head_file
    try:
        kept, entries = read_head(site), list(read_entries(site))
    except (ValueError, AuditError) as error:
        raise RunError(f"{path} was changed: {error}") from error
    broken = first_break(entries)
    if broken is not None:
        raise RunError(f"{path} was changed: entry {broken} or one before it was altered, removed or moved")
    last = entries[-1][1] if entries else FIRST
    if kept is None:
        if entries:
            raise RunError(f"{where} is missing, the second place of the last hash of {path}")
        kept = Head(0, FIRST)
    if len(entries) < kept.entries:
        raise RunError(f"{path} has {len(entries)} entries of {kept.entries}: it was cut off, or an old copy put back")
    ends = {(kept.entries, kept.hash), (kept.entries + 1, kept.next)}
    if (len(entries), last) not in ends:
        raise RunError(f"{path} does not end with the hash in {where}: one of the two was changed")
    _check_claim(claimed, [chained for _, chained in entries])
    return f"{len(entries)} entries, unchanged; the last hash is {len(entries)}:{last}"


def parse_head(text: str) -> Head:
    """NUMBER:HASH as a coordinator wrote it down; InputError where it is something else."""
    number, _, chained = text.partition(":")
    if not number.isdecimal() or len(chained) != len(FIRST):
        raise InputError(f"--head {text}: give NUMBER:HASH as it stands in the coordinator's log.txt or status.json")
    return Head(int(number), chained)


def entry_line(entry: dict[str, Any]) -> str:
    """An entry in one line; what a terminal would obey, as in what a federation calls itself, stands as an escape."""
    facts = [f"{key} {value}" for key, value in entry.items() if key not in _SHOWN and value not in ("", None)]
    if "records" in entry:
        facts.append(summarise(entry["records"]))
    for key in ("policy", "files"):
        if key in entry:
            facts.append(f"{key} {entry[key]}" if key == "policy" else f"{len(entry[key])} files")
    return without_control(f"{entry[TIME]}  {entry[NUMBER]:>5}  {entry[KIND]:<9} {', '.join(facts)}".rstrip())


def _check_claim(claimed: Head | None, hashes: list[str]) -> None:
    if claimed is None or claimed.entries == 0:
        return
    if claimed.entries > len(hashes):
        raise RunError(f"the log has {len(hashes)} entries and had {claimed.entries}: it was cut off or put back")
    if hashes[claimed.entries - 1] != claimed.hash:
        raise RunError(f"entry {claimed.entries - 1} is not the one that the coordinator saw: the log was written anew")
