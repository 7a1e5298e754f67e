"""A site's own key, made at the site, and its site.toml completed with what only the site knows."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from cape_fed.errors import InputError
from cape_fed.federation.keys import fingerprint, new_key, private_bytes, public_line
from cape_fed.federation.names import is_name
from cape_fed.files import PRIVATE, atomic_file
from cape_fed.pretrain.cohorts import open_stores
from cape_fed.site.check.key import load_key

KEY_FILE = "site.key"
SITE_FILE = "site.toml"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a site sends to its coordinator."""

    name: str
    public: Path
    fingerprint: str
    new: bool
    """Whether the key was made now; a key that is there stays."""


def enrol(kit: Path, stores: Sequence[Path], state: Path | None = None, *, replace_key: bool = False) -> Enrolled:
    """Make the key of the site whose kit is in ``kit``, unless it has one, and complete the kit's site.toml.

    ``stores`` and ``state`` (by default what it says already, else ``kit/state``) are written into it as absolute
    paths, as are those of certificate and key. InputError where the folder is no kit or a store cannot be opened; then
    nothing is written.
    """
    kit = kit.resolve()
    text = _read_kit(kit)
    described = tomllib.loads(text)
    name = str(described["name"])
    kept = kit / str(described.get("state") or "state")
    values = {"state": (state or kept).resolve(), "certificate": kit / "ca.crt", "key": kit / KEY_FILE}
    text = _complete(text, values, _labels(stores))
    made = replace_key or not (kit / KEY_FILE).exists()
    key = _new_key(kit / KEY_FILE) if made else load_key(kit / KEY_FILE)
    public = kit / f"{name}.pub"
    with atomic_file(public) as path:
        path.write_bytes(public_line(key.public_key(), name))
    with atomic_file(kit / SITE_FILE) as path:
        path.write_text(text, encoding="utf-8")
    return Enrolled(name, public, fingerprint(key.public_key()), made)


def _read_kit(kit: Path) -> str:
    """The kit's site.toml; InputError where the folder is no kit."""
    file = kit / SITE_FILE
    try:
        text = file.read_text(encoding="utf-8")
        described = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{kit} is no kit of a site ({file.name}: {error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not TOML: {error}") from error
    if not is_name(str(described.get("name", ""))) or "superlink" not in described:
        raise InputError(f"{file} is not what the coordinator's kit holds: ask for the kit again")
    return text


def _labels(stores: Sequence[Path]) -> dict[str, Path]:
    """Stores by cohort, as site.toml lists them."""
    return {store.cohort: store.path.resolve() for store in open_stores(stores)} if stores else {}


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = new_key()
    with atomic_file(path, PRIVATE) as partial:
        partial.write_bytes(private_bytes(key))
    return key


def _complete(text: str, values: Mapping[str, Path], labels: Mapping[str, Path]) -> str:
    """The text with paths filled in and, where there are labels, the stores listed; comments stay."""
    for name, value in values.items():
        line = f"{name} = {_quoted(value)}".replace("\\", r"\\")
        text, found = re.subn(rf'(?m)^{name} *= *"(?:[^"\\\n]|\\.)*"', line, text)
        if found != 1:
            raise InputError(f"{SITE_FILE}: a line '{name} = ...' was expected once: ask for the kit again")
    if labels:
        lines = "".join(f"{_quoted(label)} = {_quoted(path)}\n" for label, path in labels.items())
        table = f"[stores]\n{lines}\n".replace("\\", r"\\")
        text, found = re.subn(r"(?ms)^\[stores\][^\n]*\n.*?(?=^\[|\Z)", table, text)
        if found != 1:
            raise InputError(f"{SITE_FILE}: a table [stores] was expected once: ask for the kit again")
    tomllib.loads(text)
    return text


def _quoted(value: object) -> str:
    """A TOML string; JSON's are such."""
    return json.dumps(str(value), ensure_ascii=False)
