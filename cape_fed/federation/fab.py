"""The app as one file (Flower's app bundle, FAB): packed alike on every machine, looked into without trust in it."""

from __future__ import annotations

import hashlib
import io
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from cape_fed.appfiles import app_files
from cape_fed.errors import InputError

PROJECT, LISTING = "pyproject.toml", ".info/CONTENT"
LARGEST = 10 * 1024 * 1024
"""Bytes of an app; Flower's own limit."""
MOST_BYTES, MOST_FILES = 50 * 1024 * 1024, 5000
"""Bytes and files that an app may unpack to."""
LONGEST_NAME = 300
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX, _FILE = 3, 0o100644


@dataclass(frozen=True)
class App:
    """What an app bundle holds."""

    hash: str
    """SHA-256 of the bundle's bytes: what a site approves."""
    name: str
    version: str
    files: dict[str, bytes]
    """Contents by name."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """An app bundle of files by name, the same bytes on every machine: sorted, not compressed, with one date and mode.

    Compressed bytes would depend on the compression library of the machine.
    """
    names = [PROJECT, *sorted(files.keys() - {PROJECT})]
    listing = "\n".join(f"{name},{hashlib.sha256(files[name]).hexdigest()},{8 * len(files[name])}" for name in names)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in [*((name, files[name]) for name in names), (LISTING, listing.encode())]:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = _UNIX, _FILE << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def pack_app(folder: Path | None = None) -> bytes:
    """This installation's app bundle; ``folder``, which Flower would pack, holds the same files."""
    return pack({name: path.read_bytes() for name, path in app_files().items()})


@cache
def app_hash() -> str:
    """SHA-256, in hexadecimal, of this installation's app bundle; within a run, of the app that runs."""
    return hashlib.sha256(pack_app()).hexdigest()


def read_app(content: bytes) -> App:
    """Look into an app bundle; nothing of it is written or run.

    InputError where it is too large, no bundle, or has an entry that leads outside, stands there twice, is no plain
    file, or unpacks to too much.
    """
    if len(content) > LARGEST:
        raise InputError(f"an app of {len(content)} bytes is too large: {LARGEST} are allowed")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_entries(archive.infolist())
            files = {entry.filename: _read(archive, entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(f"this is no app bundle that can be read: {error}") from error
    _check_listing(files)
    name, version = _name_and_version(files)
    return App(hashlib.sha256(content).hexdigest(), name, version, {n: c for n, c in files.items() if n != LISTING})


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise InputError(f"an app may unpack to {MOST_FILES} files and {MOST_BYTES} bytes: this one has more")
    seen: set[str] = set()
    for entry in entries:
        name, mode = entry.filename, entry.external_attr >> 16
        parts = PurePosixPath(name).parts
        if len(name) > LONGEST_NAME or not name.isprintable() or "\\" in name or ":" in name:
            raise InputError(f"an entry of the app has a name that no file of an app has: {name[:80]!r}")
        if name != PurePosixPath(name).as_posix() or name.startswith("/") or ".." in parts:
            raise InputError(f"an entry of the app leads outside it or is no file: {name[:80]!r}")
        if mode >> 12 not in (0, 0o10) or name.casefold() in seen:
            raise InputError(f"an entry of the app is no plain file, or stands there twice: {name[:80]!r}")
        if "__pycache__" in parts or name.casefold().endswith((".pyc", ".pyo")):
            raise InputError(f"an entry of the app is byte code, which nobody can read before approving: {name[:80]!r}")
        seen.add(name.casefold())


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The contents of an entry, of the size that it says it has."""
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise InputError(f"an entry of the app has another size than it says: {entry.filename!r}")
    return content


def _check_listing(files: Mapping[str, bytes]) -> None:
    """InputError unless the app's own listing has exactly its files with their hashes."""
    try:
        lines = [line.split(",") for line in files[LISTING].decode().splitlines()]
        listed = {name: digest for name, digest, _ in lines}
    except (KeyError, ValueError) as error:
        raise InputError("this is no app bundle: it does not list its files") from error
    actual = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != LISTING}
    if listed != actual:
        wrong = min(name for name in listed.keys() | actual.keys() if listed.get(name) != actual.get(name))
        raise InputError(f"the app's own listing does not agree with it about {wrong[:80]!r}")


def _name_and_version(files: Mapping[str, bytes]) -> tuple[str, str]:
    try:
        project: dict[str, Any] = tomllib.loads(files[PROJECT].decode())["project"]
        name, version = str(project["name"]), str(project["version"])
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"this is no app bundle: its {PROJECT} names no project and version") from error
    if not (name + version).isprintable() or len(name + version) > LONGEST_NAME:
        raise InputError(f"this is no app bundle: its {PROJECT} has a name or version that cannot be shown")
    return name, version
