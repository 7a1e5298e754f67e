"""Writing a federation's kits, and bringing them up to date without a new key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cape_fed.errors import InputError
from cape_fed.expiry import certificate_end
from cape_fed.files import PRIVATE, atomic_file
from cape_fed.provision.certificates import authority_certificate, names_of, new_key, server_certificate
from cape_fed.provision.federation import Federation
from cape_fed.provision.kits import coordinator_files, site_files

AUTHORITY, COORDINATOR, SITES = "authority", "coordinator", "sites"


@dataclass
class Writer:
    """Writes files under a folder and keeps account of what changed."""

    out: Path
    changed: list[str] = field(default_factory=list)

    def write(self, name: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file whole, unless it is there with this content already."""
        path = self.out / name
        if path.exists() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_file(path, mode) as partial:
            partial.write_bytes(content)
        self.changed.append(name)


def provision(federation: Federation, out: Path, *, renew: bool = False) -> list[str]:
    """Write or update the kits of a federation in ``out``; the names of the files that changed.

    Keys that are there stay. Certificates stay as well, unless they are for other names than the federation now has or
    ``renew`` asks for new ones. InputError where ``out`` holds something else or the authority's key was taken away.
    """
    _check_place(out, renew=renew)
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    writer = Writer(out)
    authority = _certificates(federation, writer, renew=renew)
    for name, text in coordinator_files(federation).items():
        writer.write(f"{COORDINATOR}/{name}", text.encode(), mode=0o755 if name.endswith(".sh") else 0o644)
    for site in federation.sites:
        writer.write(f"{SITES}/{site}/ca.crt", authority)
        for name, text in site_files(federation, site).items():
            writer.write(f"{SITES}/{site}/{name}", text.encode())
    return writer.changed


def left_over(federation: Federation, out: Path) -> list[str]:
    """Sites with a kit in ``out`` that are no longer in the federation."""
    folder = out / SITES
    return (
        sorted(path.name for path in folder.iterdir() if path.name not in federation.sites) if folder.exists() else []
    )


def ends(out: Path) -> Iterator[str]:
    """A line for each certificate with its last day."""
    for what, file in (("authority", "tls/ca.crt"), ("server", "tls/server.pem")):
        yield f"certificate of the {what}: until {certificate_end(out / COORDINATOR / file):%Y-%m-%d}"


def _certificates(federation: Federation, writer: Writer, *, renew: bool) -> bytes:
    """Write keys and certificates; the authority's certificate."""
    out, tls = writer.out, f"{COORDINATOR}/tls"
    key_file, authority_file = f"{AUTHORITY}/ca.key", f"{AUTHORITY}/ca.crt"
    authority = _read(out / authority_file)
    server_key, server = _read(out / tls / "server.key"), _read(out / tls / "server.pem")
    signing = renew or authority is None or server is None or set(names_of(server)) != set(federation.all_names)
    key = _read(out / key_file)
    if signing and key is None:
        if authority is not None:
            raise InputError(f"a certificate has to be signed and {out / key_file} is not here: bring it back first")
        key = new_key()
    if authority is None or renew:
        assert key is not None
        authority = authority_certificate(key, federation.name)
    server_key = server_key or new_key()
    if signing or server is None:
        assert key is not None
        server = server_certificate(key, authority, server_key, federation.all_names)
    if key is not None:
        writer.write(key_file, key, mode=PRIVATE)
    writer.write(authority_file, authority)
    writer.write(f"{tls}/ca.crt", authority)
    writer.write(f"{tls}/server.key", server_key, mode=PRIVATE)
    writer.write(f"{tls}/server.pem", server)
    return authority


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _check_place(out: Path, *, renew: bool) -> None:
    known = (out / AUTHORITY / "ca.crt").exists()
    if out.exists() and not known and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and holds no kits: choose another place for them")
    if renew and not known:
        raise InputError(f"{out} holds no kits whose certificates could be renewed: leave --renew out to make them")
