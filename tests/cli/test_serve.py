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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

from cape_fed.cli.main import run
from cape_fed.monitoring.samples import fetch
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.provenance import Provenance
from cape_fed.release.sums import version_of
from cape_fed.signal.profile import get_profile
from tests.serving.running import MODEL, ecg, embed, until

OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
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


def _servers(pid: int) -> list[int]:
    """The processes that a command has started to serve."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def _loading(pid: int) -> int:
    """How many of them have begun to import PyTorch."""
    return sum("libtorch" in Path(f"/proc/{child}/maps").read_text() for child in _servers(pid))


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
        start_new_session=True,  # so that a signal can be sent to all its processes
    )
    assert process.stderr is not None
    try:
        yield Service(process, process.stderr)
    finally:
        process.kill()
        process.wait(30)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.slow
def test_it_serves_shows_metrics_and_ends_with_what_it_accepted_answered(bundle: Path, processes: int) -> None:
    with service(bundle, "--metrics", "127.0.0.1:0", "--device", "cpu", "--processes", str(processes)) as served:
        metrics = served.message(r"metrics at (\S+)$")[1]
        address = served.message(rf"serving {MODEL}, version {version_of(bundle)}, without TLS.* at (\S+)$")[1]
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
        assert len([line for line in served.lines if line["level"] == "INFO"]) == 4, "all processes speak as one"


@pytest.mark.slow
def test_processes_share_the_clients_and_are_counted_as_one(bundle: Path) -> None:
    with service(bundle, "--metrics", "127.0.0.1:0", "--processes", "2") as served, ThreadPoolExecutor(24) as threads:
        metrics = served.message(r"metrics at (\S+)$")[1]
        address = served.message(r"in 2 processes at (\S+)$")[1]

        def is_answered(deadline: float) -> bool:
            with triton.InferenceServerClient(address, channel_args=OWN_CONNECTION) as client:
                with suppress(InferenceServerException):  # the deadline
                    return len(embed(client, ecg(1), client_timeout=deadline)) == 1
                return False

        assert all(threads.map(is_answered, [60.0] * 24))
        found = fetch(metrics)
        assert found.get("cape_fed_serving_records_total") == 24
        assert found.get("cape_fed_serving_requests_total", code="OK") == 24
        assert found.get("cape_fed_serving_request_seconds_count") == 24
        assert found.get("cape_fed_serving_queue_records") == 2 * 256

        stopped, _ = _servers(served.process.pid)
        os.kill(stopped, signal.SIGSTOP)  # its connections get no answer
        assert set(threads.map(is_answered, [5.0] * 24)) == {True, False}
        with pytest.raises(HTTPError) as error:
            urlopen(metrics.replace("/metrics", "/ready"), timeout=60)
        assert json.load(error.value)["trouble"] == {"server": "does not answer"}
        os.kill(stopped, signal.SIGCONT)
        served.process.terminate()
        served.message("stopped")
        assert served.process.wait(30) == 0


@pytest.mark.slow
def test_where_a_process_ends_by_itself_all_end(bundle: Path) -> None:
    with service(bundle, "--processes", "2") as served:
        served.message("serving")
        first, second = _servers(served.process.pid)
        os.kill(first, signal.SIGKILL)
        served.message("stopping")
        assert served.process.wait(30) == 1
        said = "cape-fed: a process of the server ended by itself with exit code -9; the others stopped\n"
        assert served.errors.read() == said
        assert not Path(f"/proc/{second}").exists()


@pytest.mark.slow
def test_a_process_that_is_told_to_stop_alone_goes_on(bundle: Path) -> None:
    with service(bundle, "--processes", "2") as served:
        address = served.message(r"in 2 processes at (\S+)$")[1]
        for server in _servers(served.process.pid):
            os.kill(server, signal.SIGTERM)
        with triton.InferenceServerClient(address) as client:
            assert len(embed(client, ecg(1), client_timeout=60)) == 1
        assert served.process.poll() is None
        os.killpg(served.process.pid, signal.SIGTERM)
        served.message("stopped")
        assert served.process.wait(30) == 0


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_while_it_starts_ends_without_a_fault(bundle: Path) -> None:
    with service(bundle, "--processes", "2") as served:
        until(lambda: _loading(served.process.pid) == 2, 60)
        os.killpg(served.process.pid, signal.SIGTERM)
        served.message("stopped")
        assert served.process.wait(60) == 0
        assert len(served.lines) == 1
        assert not served.errors.read()


@pytest.mark.slow
def test_processes_whose_server_is_killed_while_it_starts_end_without_a_word(bundle: Path) -> None:
    with service(bundle, "--processes", "2") as served:
        until(lambda: _loading(served.process.pid) == 2, 60)
        served.process.kill()
        assert not served.errors.read()  # ends when they do


@pytest.mark.slow
def test_processes_that_cannot_listen_say_so_once(bundle: Path) -> None:
    with service(bundle, "--processes", "2", "--certificate", "c.pem", "--key", "k.pem") as served:
        assert served.process.wait(60) == 2
        assert served.errors.read() == "cape-fed: c.pem cannot be read: No such file or directory\n"
    with service(bundle) as first:
        address = first.message(r"at (\S+)$")[1]
        with service(bundle, "--processes", "2", "--listen", address) as second:
            assert second.process.wait(60) == 2
            assert second.errors.read() == f"cape-fed: cannot listen on {address}: is the port in use?\n"


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.slow
def test_a_server_that_was_killed_leaves_its_port(bundle: Path, processes: str) -> None:
    with service(bundle, "--processes", processes) as served:
        address = served.message(r"at (\S+)$")[1]
        others = _servers(served.process.pid)
        assert len(others) == (2 if processes == "2" else 0)
        served.process.kill()
        served.process.wait(30)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others))
    with service(bundle, "--listen", address, "--processes", processes) as served:
        assert served.message(r"at (\S+)$")[1] == address
        assert triton.InferenceServerClient(address).is_server_ready()
