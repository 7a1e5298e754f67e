from __future__ import annotations

import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path
from time import time

import pytest

from cape_fed.monitoring import machine
from cape_fed.monitoring.machine import Gpu, Kept, disk, file_expiry, gpus, read_gpus, server_expiry
from tests.deployment.certificates import make_certificates

DAY = 86400.0


def test_the_end_of_a_certificate_in_a_file(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, valid=(timedelta(days=-1), timedelta(days=20)))
    assert file_expiry(made.certificate) == pytest.approx(time() + 20 * DAY, abs=60)
    assert file_expiry(made.key) is None
    assert file_expiry(tmp_path / "none") is None


def test_of_several_certificates_the_first_to_end_counts(tmp_path: Path) -> None:
    soon = make_certificates(tmp_path / "1", valid=(timedelta(days=-1), timedelta(days=2)))
    late = make_certificates(tmp_path / "2", valid=(timedelta(days=-1), timedelta(days=9)))
    chain = tmp_path / "chain.pem"
    chain.write_bytes(late.certificate.read_bytes() + soon.certificate.read_bytes())
    assert file_expiry(chain) == file_expiry(soon.certificate)


def test_the_certificate_that_a_server_shows_also_when_it_has_ended(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, valid=(timedelta(days=-2), timedelta(days=-1)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            line, _ = listener.accept()
            with line, context.wrap_socket(line, server_side=True) as secure:
                secure.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        found = server_expiry(f"127.0.0.1:{port}")
        thread.join()
    assert found == file_expiry(made.certificate)
    assert server_expiry(f"127.0.0.1:{port}") is None
    assert server_expiry("nonsense") is None


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    here, later = disk(tmp_path), disk(tmp_path / "some" / "day")
    assert here is not None
    assert later is not None
    assert (here.size, 0 < here.free <= here.size) == (later.size, True)


def test_what_nvidia_smi_says() -> None:
    text = "0, 37, 1024, 81559\n1, [N/A], 0, 81559\nNVIDIA-SMI has failed\n"
    assert read_gpus(text) == [
        Gpu("0", 0.37, 1024 * 2**20, 81559 * 2**20),
        Gpu("1", None, 0, 81559 * 2**20),
    ]


def test_a_machine_without_nvidia_smi_and_one_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == []
    program = tmp_path / machine.NVIDIA_SMI
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    assert gpus() == []
    program.write_text("#!/bin/sh\necho 0, 50, 1, 2\n")
    assert gpus() == [Gpu("0", 0.5, 2**20, 2 * 2**20)]


def test_what_takes_time_is_not_asked_at_every_scrape() -> None:
    asked: list[int] = []
    kept = Kept(lambda: asked.append(1) or len(asked), 3600.0)  # type: ignore[func-returns-value]
    assert (kept(), kept(), len(asked)) == (1, 1, 1)
    now = Kept(lambda: asked.append(1) or len(asked), -1.0)  # type: ignore[func-returns-value]
    assert (now(), now()) == (2, 3)
