from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from cape_fed.errors import InputError
from cape_fed.monitoring.exporter import Source, make_exporter, parse_listen


class Fixed(Source):
    def __init__(self) -> None:
        self.trouble: dict[str, str] = {}
        self.broken = False

    def collect(self) -> Iterator[Metric]:
        if self.broken:
            raise OSError(5, "cannot read", "/secret/place")
        yield GaugeMetricFamily("x_rounds", "Rounds.", 3.0)

    def readiness(self) -> dict[str, str]:
        return self.trouble


@contextmanager
def exporter(source: Source) -> Iterator[int]:
    with make_exporter(source, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    line = HTTPConnection("127.0.0.1", port, timeout=10)
    line.request(method, path)
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    return answer.status, text


def test_metrics_health_and_readiness() -> None:
    source = Fixed()
    with exporter(source) as port:
        status, text = ask(port, "/metrics")
        assert status == 200
        assert "\nx_rounds 3.0\n" in text
        assert "process_start_time_seconds" in text
        assert ask(port, "/health")[0] == 200
        assert ask(port, "/ready")[0] == 200
        source.trouble = {"store 1": "cannot be opened"}
        assert ask(port, "/health")[0] == 200
        status, text = ask(port, "/ready")
        assert (status, json.loads(text)["trouble"]) == (503, source.trouble)
        assert ask(port, "/../etc/passwd")[0] == 404
        assert ask(port, "/metrics", "POST")[0] == 405


def test_what_fails_while_metrics_are_gathered_is_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    source = Fixed()
    with exporter(source) as port:
        source.broken = True
        status, text = ask(port, "/metrics")
        assert status == 500
        assert "/secret/place" not in text
        assert "/secret/place" in caplog.text
        source.broken = False
        assert ask(port, "/metrics")[0] == 200


def test_where_to_listen() -> None:
    assert parse_listen("0.0.0.0:9000", 1) == ("0.0.0.0", 9000)
    assert parse_listen(":9000", 1) == ("127.0.0.1", 9000)
    assert parse_listen("127.0.0.1", 1) == ("127.0.0.1", 1)
    assert parse_listen("[::1]:9000", 1) == ("::1", 9000)
    for wrong in ("host:port", "host:70000", "host:"):
        with pytest.raises(InputError, match="--listen"):
            parse_listen(wrong, 1)


def test_a_port_that_is_taken_is_an_input_error(tmp_path: Path) -> None:
    with exporter(Fixed()) as port, pytest.raises(InputError, match=f"cannot listen on 127.0.0.1:{port}"):
        make_exporter(Fixed(), "127.0.0.1", port)
