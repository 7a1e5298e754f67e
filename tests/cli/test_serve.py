"""The command ``serve`` as a process, and what it refuses to begin with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from tritonclient import grpc as triton

from cape_fed.cli.main import run
from cape_fed.monitoring.samples import fetch
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.provenance import Provenance
from cape_fed.release.sums import version_of
from cape_fed.signal.profile import get_profile
from tests.serving.running import MODEL, ecg, embed

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve") / "bundle"
    write_bundle(path, build_encoder(MODELS["tiny"], 0), get_profile("compact100"), Provenance(method="test"))
    return path


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--listen", "0.0.0.0:0"], "--listen 0.0.0.0 is reached by others: give --certificate and --key"),
        (["--certificate", "c.pem"], "--certificate and --key together"),
        (["--client-ca", "ca.pem"], "--client-ca only with them"),
        (["--certificate", "c.pem", "--key", "k.pem"], "c.pem cannot be read"),
        (["--listen", "here"], "--listen here"),
        (["--metrics", "x:y"], "give HOST:PORT"),
        (["--device", "nowhere"], "device 'nowhere' is not available"),
        (["--queue", "0"], "0 is not in the range"),
    ],
)
def test_what_it_refuses_to_begin_with(bundle: Path, capsys: Output, options: list[str], says: str) -> None:
    where = [] if "--listen" in options else ["--listen", "127.0.0.1:0"]
    assert run(["serve", str(bundle), *where, *options]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_what_is_no_bundle(tmp_path: Path, capsys: Output) -> None:
    assert run(["serve", str(tmp_path)]) == 2
    assert "is not a bundle" in capsys.readouterr().err


class Service:
    """The command in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self.process = process
        self.lines: list[dict[str, str]] = []
        self.errors = errors

    def message(self, pattern: str) -> re.Match[str]:
        """The first message from now on that matches; every line is JSON."""
        for line in self.errors:
            self.lines.append(json.loads(line))
            if match := re.search(pattern, self.lines[-1]["message"]):
                return match
        raise AssertionError(f"it ended: {self.lines}")


@contextmanager
def service(bundle: Path, *options: str) -> Iterator[Service]:
    code = "import sys; from cape_fed.cli.main import main; main(sys.argv[1:])"
    arguments = ["serve", str(bundle), "--listen", "127.0.0.1:0", "--log-format", "json", *options]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    try:
        yield Service(process, process.stderr)
    finally:
        process.kill()
        process.wait(30)


@pytest.mark.slow
def test_a_process_serves_shows_metrics_and_ends_with_what_it_accepted_answered(bundle: Path) -> None:
    with service(bundle, "--metrics", "127.0.0.1:0", "--device", "cpu") as served:
        metrics = served.message(r"metrics at (\S+)$")[1]
        address = served.message(rf"serving {MODEL}, version {version_of(bundle)}, without TLS at (\S+)$")[1]
        client = triton.InferenceServerClient(address)
        expected = load_encoder(bundle, "cpu").embed(ecg(32), 500)
        np.testing.assert_allclose(embed(client, ecg(32)), expected, atol=2e-6)
        with ThreadPoolExecutor(6) as threads:
            begun = [threads.submit(embed, client, ecg(32), request_id="patient-4711") for _ in range(6)]
            while not fetch(metrics).get("cape_fed_serving_held_records"):
                pass
            served.process.send_signal(signal.SIGTERM)
            served.message("stopping")
            outcomes = [call.exception() or call.result() for call in begun]
        answered = [outcome for outcome in outcomes if isinstance(outcome, np.ndarray)]
        assert answered
        for outcome in outcomes:
            if isinstance(outcome, np.ndarray):
                np.testing.assert_allclose(outcome, expected, atol=2e-6)
            else:
                assert "the server is stopping" in str(outcome) or "UNAVAILABLE" in str(outcome)
        served.message("stopped")
        assert served.process.wait(30) == 0
        assert served.process.stdout is not None
        assert not served.process.stdout.read()
        assert "4711" not in json.dumps(served.lines)


@pytest.mark.slow
def test_a_process_that_was_killed_leaves_its_port(bundle: Path) -> None:
    with service(bundle) as served:
        address = served.message(r"at (\S+)$")[1]
        served.process.kill()
        served.process.wait(30)
    with service(bundle, "--listen", address) as served:
        assert served.message(r"at (\S+)$")[1] == address
        assert triton.InferenceServerClient(address).is_server_ready()
