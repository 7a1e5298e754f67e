"""Who may talk to a server with TLS, and which files it does not begin with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from cape_fed.errors import InputError
from cape_fed.expiry import certificate_end, server_end
from cape_fed.serving.options import Tls
from cape_fed.serving.tls import read_identity
from tests.deployment.certificates import Certificates, make_certificates
from tests.serving.running import Running, ecg, embed, running
from tests.serving.test_triton_client import close


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("others"))


@pytest.fixture(scope="module", params=["server", "both"])
def server(request: pytest.FixtureRequest, ours: Certificates) -> Iterator[Running]:
    """A server that proves itself, and one that asks its clients to do so too."""
    authority = ours.ca if request.param == "both" else None
    with running(tls=Tls(ours.certificate, ours.key, authority)) as found:
        yield found


def client(server: Running, trusted: Path, own: Certificates | None = None) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(
        server.address,
        ssl=True,
        root_certificates=str(trusted),
        private_key=str(own.key) if own else None,
        certificate_chain=str(own.certificate) if own else None,
    )


def is_refused(client: triton.InferenceServerClient) -> bool:
    with pytest.raises(InferenceServerException) as error:
        embed(client, ecg(), client_timeout=10)
    return bool(error.value.status() == "StatusCode.UNAVAILABLE")


def test_who_is_served(server: Running, ours: Certificates, others: Certificates) -> None:
    assert server.server.options.identity is not None
    close(embed(client(server, ours.ca, ours), ecg()), server.encoder.embed(ecg(), 500))
    assert is_refused(client(server, others.ca, ours))
    assert is_refused(triton.InferenceServerClient(server.address))
    if server.server.options.identity.client_authority is None:
        close(embed(client(server, ours.ca), ecg()), server.encoder.embed(ecg(), 500))
    else:
        assert is_refused(client(server, ours.ca))
        assert is_refused(client(server, ours.ca, others))


def test_the_certificate_that_is_served_is_the_one_that_is_shown(tmp_path: Path) -> None:
    files, later = make_certificates(tmp_path / "now"), make_certificates(tmp_path / "later")
    end = certificate_end(files.certificate).timestamp()
    with running(tls=Tls(files.certificate, files.key)) as server:
        later.certificate.replace(files.certificate)
        assert server_end(server.address, None).timestamp() == end
        files.certificate.unlink()
        assert server.count("cape_fed_serving_certificate_expiry_timestamp_seconds") == end


def test_the_key_is_in_no_words(ours: Certificates) -> None:
    assert "PRIVATE" not in repr(read_identity(Tls(ours.certificate, ours.key)))


def test_files_that_do_not_serve(ours: Certificates, others: Certificates, tmp_path: Path) -> None:
    ended = make_certificates(tmp_path / "ended", valid=(timedelta(-9), timedelta(-2)))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for tls, says in (
        (Tls(ours.certificate, others.key), "no certificate with its key"),
        (Tls(empty, ours.key), "no certificate with its key"),
        (Tls(ended.certificate, ended.key), "has ended: renew it"),
        (Tls(tmp_path / "none.pem", ours.key), "none.pem cannot be read"),
        (Tls(ours.certificate, ours.key, empty), "no certificate of an authority"),
        (Tls(ours.certificate, ours.key, tmp_path / "none.pem"), "none.pem cannot be read"),
    ):
        with pytest.raises(InputError, match=says):
            read_identity(tls)
