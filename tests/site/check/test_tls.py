"""Which servers a site takes for its coordinator."""

from __future__ import annotations

from pathlib import Path

import pytest

from cape_fed.provision.certificates import authority_certificate, new_key, server_certificate
from cape_fed.site.check.finding import Subject
from cape_fed.site.check.route import check_tls
from cape_fed.site.config import SiteConfig, SuperLinkAccess
from tests.tls import tls_server


@pytest.mark.parametrize(
    ("names", "days", "other_authority", "state", "words"),
    [
        (["127.0.0.1"], 90.5, False, "ok", "is good for 90 days"),
        (["127.0.0.1"], 20.5, False, "warning", "ends in 20 days"),
        (["127.0.0.1"], -1, False, "failed", "--renew"),
        (["other.example.org"], 90, False, "failed", "federation.yaml"),
        (["127.0.0.1"], 90, True, "failed", "use the ca.crt of the coordinator's kit"),
    ],
)
def test_a_certificate_is_taken_for_what_it_is(
    tmp_path: Path, names: list[str], days: float, other_authority: bool, state: str, words: str
) -> None:
    signer, key = new_key(), new_key()
    authority = authority_certificate(signer, "hearts")
    shown = authority_certificate(new_key(), "hearts") if other_authority else authority
    for name, content in {
        "ca.crt": shown,
        "server.pem": server_certificate(signer, authority, key, names, days=days),
        "server.key": key,
    }.items():
        (tmp_path / name).write_bytes(content)
    with tls_server(tmp_path / "server.pem", tmp_path / "server.key") as port:
        access = SuperLinkAccess(
            address=f"127.0.0.1:{port}", certificate=tmp_path / "ca.crt", key=tmp_path / "site.key"
        )  # fmt: skip
        site = SiteConfig(name="a", role="train", stores=(tmp_path,), state=tmp_path, superlink=access)
        found = check_tls(Subject(site))
    assert (found.state, words in str(found)) == (state, True), found


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"\x80\x04\x95 a pickle")
    access = SuperLinkAccess(address="127.0.0.1:1", certificate=tmp_path / "ca.crt", key=tmp_path / "site.key")
    site = SiteConfig(name="a", role="train", stores=(tmp_path,), state=tmp_path, superlink=access)
    with pytest.raises(Exception, match="is no certificate"):
        check_tls(Subject(site))
