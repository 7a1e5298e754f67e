"""Kits: what is in them, what is secret, and what a second call changes."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from cape_fed.errors import InputError
from cape_fed.expiry import days_left, expiry_words
from cape_fed.federation.kit import find_kit
from cape_fed.federation.superlink import SuperLink
from cape_fed.provision.certificates import SERVER_DAYS, authority_certificate, new_key, server_certificate
from cape_fed.provision.federation import Federation
from cape_fed.provision.provision import left_over, provision
from cape_fed.site.node import read_site
from tests.tls import tls_server

FEDERATION = Federation.model_validate(
    {
        "name": "hearts",
        "address": "federation.example.org:8443",
        "names": ["10.0.0.5"],
        "plan": ["experiment=small", "train.pairs=8"],
        "sites": {"hospital-a": "train", "hospital-b": {"role": "evaluate", "max_patients": 9}},
    }
)


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    provision(FEDERATION, tmp_path / "kits")
    return tmp_path / "kits"


def test_no_key_of_a_site_is_made_and_the_others_are_readable_to_their_owner_only(out: Path) -> None:
    held = {name for name, content in files(out).items() if b"PRIVATE KEY" in content}
    assert held == {"authority/ca.key", "coordinator/tls/server.key"}
    for name in held:
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_the_certificate_is_for_every_name_and_signed_by_the_authority(out: Path) -> None:
    certificate = x509.load_pem_x509_certificate((out / "coordinator/tls/server.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((out / "authority/ca.crt").read_bytes())
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(entry.value) for entry in names] == FEDERATION.all_names
    assert days_left(certificate.not_valid_after_utc) == SERVER_DAYS - 1
    # OpenSSL takes both, with the checks that a client makes.
    ssl.create_default_context(cafile=str(out / "sites/hospital-a/ca.crt"))
    ssl.create_default_context().load_cert_chain(
        out / "coordinator/tls/server.pem", out / "coordinator/tls/server.key"
    )  # fmt: skip


def test_an_address_that_could_be_written_shorter_is_signed_for_once(tmp_path: Path) -> None:
    federation = FEDERATION.model_copy(update={"names": ("FD00:0:0:0:0:0:0:1",)})
    provision(federation, tmp_path / "kits")
    assert provision(federation, tmp_path / "kits") == []


def test_a_federation_may_have_as_long_a_name_as_a_name_may_be(tmp_path: Path) -> None:
    provision(FEDERATION.model_copy(update={"name": 63 * "h"}), tmp_path / "kits")
    authority = x509.load_pem_x509_certificate((tmp_path / "kits/authority/ca.crt").read_bytes())
    assert str(authority.subject.rfc4514_string()).startswith("CN=Authority of the federation hhh")


def test_roster_and_site_files_say_what_federation_yaml_says(out: Path) -> None:
    assert yaml.safe_load((out / "coordinator/roster.yaml").read_text()) == {
        "hospital-a": "train",
        "hospital-b": {"role": "evaluate", "max_patients": 9},
    }
    described = tomllib.loads((out / "sites/hospital-b/site.toml").read_text())
    assert (described["name"], described["role"]) == ("hospital-b", "evaluate")
    assert described["superlink"]["address"] == FEDERATION.address
    assert described["limits"]["federations"] == FEDERATION.name
    with pytest.raises(InputError, match="stores"):  # it is to be enrolled first
        read_site(out / "sites/hospital-b/site.toml")


def test_a_second_call_changes_nothing_and_a_new_site_adds_its_kit(out: Path) -> None:
    before = files(out)
    assert provision(FEDERATION, out) == []
    assert files(out) == before
    sites = {"hospital-b": {"role": "evaluate", "max_patients": 9}, "hospital-c": {"role": "train"}}
    larger = Federation.model_validate({**FEDERATION.model_dump(), "sites": sites})
    changed = provision(larger, out)
    assert {name for name in changed if name.startswith("sites/")} == {
        "sites/hospital-c/ca.crt", "sites/hospital-c/README.md", "sites/hospital-c/site.toml",
        "sites/hospital-c/cape-fed-site.service",
    }  # fmt: skip
    assert left_over(larger, out) == ["hospital-a"]
    kept = ("authority/ca.key", "authority/ca.crt", "coordinator/tls/server.key", "coordinator/tls/server.pem")
    assert all(files(out)[name] == before[name] for name in kept)


def test_renewal_signs_anew_for_the_keys_that_are_there_and_old_copies_of_the_authority_still_serve(out: Path) -> None:
    before = files(out)
    changed = provision(FEDERATION, out, renew=True)
    after = files(out)
    assert set(changed) >= {"coordinator/tls/server.pem", "sites/hospital-a/ca.crt"}
    assert all(before[name] == after[name] for name in before if name.endswith(".key"))
    certificate = x509.load_pem_x509_certificate(after["coordinator/tls/server.pem"])
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(before["authority/ca.crt"]))


def test_another_name_of_the_machine_gets_a_certificate_for_the_same_key(out: Path) -> None:
    moved = Federation.model_validate({**FEDERATION.model_dump(), "address": "other.example.org:8443"})
    changed = provision(moved, out)
    assert "coordinator/tls/server.pem" in changed
    assert not [name for name in changed if name.endswith((".key", "ca.crt"))]


def test_without_the_authoritys_key_nothing_can_be_signed_and_that_is_said(out: Path) -> None:
    (out / "authority/ca.key").unlink()
    assert provision(FEDERATION, out) == []
    with pytest.raises(InputError, match=r"ca\.key is not here: bring it back"):
        provision(FEDERATION, out, renew=True)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(InputError, match="holds no kits"):
        provision(FEDERATION, tmp_path)
    with pytest.raises(InputError, match="leave --renew out"):
        provision(FEDERATION, tmp_path / "new", renew=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_kit_that_was_moved_names_its_own_certificate(out: Path, tmp_path: Path) -> None:
    shutil.move(out / "coordinator", tmp_path / "elsewhere")
    kit = find_kit(str(tmp_path / "elsewhere"))
    assert kit is not None
    assert kit.plan == ("federation.name=hearts", *FEDERATION.plan)
    config = tomllib.loads((kit.flower_home() / "config.toml").read_text())["superlink"]["hearts"]
    assert config == {
        "address": "127.0.0.1:8000",
        "root-certificates": str(tmp_path / "elsewhere" / "tls" / "ca.crt"),
    }
    assert find_kit("hospitals") is None


@pytest.mark.parametrize(("days", "words"), [(29.5, "ends in 29 days"), (-1.5, "ended on"), (31.5, "")])
def test_an_end_is_told_thirty_days_ahead(days: float, words: str) -> None:
    said = expiry_words(datetime.now(UTC) + timedelta(days=days), "it")
    assert said.startswith(f"it {words}" if words else "")
    assert bool(said) is bool(words)


def test_a_coordinator_is_told_of_certificates_that_end_soon(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLWR_HOME", "replaced by the kit's")
    tls, key = out / "coordinator" / "tls", new_key()
    authority = authority_certificate(key, "hearts", days=10.5)
    (tls / "ca.crt").write_bytes(authority)
    (tls / "server.pem").write_bytes(server_certificate(key, authority, new_key(), ["127.0.0.1"], days=5.5))
    link = SuperLink(str(out / "coordinator"))
    assert [words.partition(" ends ")[2][:10] for words in link.ending_certificates()] == ["in 10 days"]


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        (["127.0.0.1"], -1.0, "has expired; cape-fed provision --renew signs a new one for the same key"),
        (["other.example.org"], 90.0, "IP address mismatch"),
    ],
)
def test_a_coordinator_is_told_what_is_wrong_with_a_certificate(
    out: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], days: float, words: str
) -> None:
    monkeypatch.setenv("FLWR_HOME", "replaced by the kit's")
    tls, key, signer = out / "coordinator" / "tls", new_key(), new_key()
    authority = authority_certificate(signer, "hearts")
    (tls / "ca.crt").write_bytes(authority)
    (tls / "server.pem").write_bytes(server_certificate(signer, authority, key, names, days=days))
    (tls / "server.key").write_bytes(key)
    link = SuperLink(str(out / "coordinator"))
    config = Path(os.environ["FLWR_HOME"]) / "config.toml"
    with tls_server(tls / "server.pem", tls / "server.key") as port:
        config.write_text(config.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
        with pytest.raises(InputError, match=words) as caught:
            link.nodes()
    assert str(caught.value).startswith(f"SuperLink hearts: the certificate of 127.0.0.1:{port} is not valid here: ")


def test_an_expired_certificate_began_before_it_ended() -> None:
    expired = x509.load_pem_x509_certificate(authority_certificate(new_key(), "hearts", days=-2))
    assert expired.not_valid_before_utc < expired.not_valid_after_utc < datetime.now(UTC)
