"""An app bundle on the terminal: what it is, what is in it, and how it differs from another one."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator

from cape_fed.federation.fab import App
from cape_fed.terminal import without_control


def describe_app(app: App, *, same: bool) -> Iterator[str]:
    """Name, hash and size of an app, and its files by folder; ``same`` is whether this installation would send it."""
    size = sum(len(content) for content in app.files.values())
    yield f"{app.name} {app.version}, {len(app.files)} files of {size} bytes in all"
    yield f"  hash {app.hash}"
    yield f"  {'the same as' if same else 'NOT the same as'} the app of this installation"
    folders = Counter(name.partition("/")[0] if "/" in name else "" for name in app.files)
    for folder, count in sorted(folders.items()):
        yield f"  {count:5} {'files in ' + folder + '/' if folder else 'in the app itself'}"


def compare_apps(old: App, new: App, what: str, lines: bool) -> Iterator[str]:
    """How ``new`` differs from ``old``, called ``what``: by file, and by line where that is wanted."""
    changed = sorted(name for name in old.files.keys() | new.files.keys() if old.files.get(name) != new.files.get(name))
    if not changed:
        yield f"no file differs from {what} ({old.hash[:12]})"
        return
    yield f"{len(changed)} files differ from {what} ({old.hash[:12]}):"
    for name in changed:
        delta = list(_delta(old, new, name))
        added = sum(line.startswith("+") for line in delta)
        removed = sum(line.startswith("-") for line in delta)
        word = "new" if name not in old.files else "gone" if name not in new.files else "changed"
        yield f"  {word:7} {name} (+{added} -{removed} lines)"
        if lines:
            yield from (f"    {line}" for line in delta)


def _delta(old: App, new: App, name: str) -> Iterator[str]:
    """Changed lines; control characters, which could make a terminal show something else, stand there as escapes."""
    before, after = (_lines(app.files.get(name, b"")) for app in (old, new))
    for line in difflib.unified_diff(before, after, lineterm="", n=2):
        if not line.startswith(("+++", "---")):
            yield line


def _lines(content: bytes) -> list[str]:
    text = content.decode("utf-8", "backslashreplace")
    return [without_control(line, kept="\t") for line in text.split("\n")]
