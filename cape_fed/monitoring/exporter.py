"""The process that Prometheus asks: ``/metrics``, ``/health`` and ``/ready`` over HTTP."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.metrics_core import Metric

from cape_fed.errors import InputError
from cape_fed.loopback import ADDRESS

log = logging.getLogger(__name__)

PATHS = ("/metrics", "/health", "/ready")


class Source(Protocol):
    """What an exporter shows."""

    def collect(self) -> Iterable[Metric]:
        """All metrics now."""
        ...

    def readiness(self) -> dict[str, str]:
        """What cannot be read, with a word on it; empty where all can. No paths: it is shown to whoever asks."""
        ...


class _Quiet(WSGIRequestHandler):
    """Does not write a line for every scrape."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def parse_listen(text: str, port: int) -> tuple[str, int]:
    """HOST and PORT of ``HOST:PORT``, ``HOST`` or ``:PORT``; loopback and ``port`` where one is missing.

    InputError where it is none of these.
    """
    host, colon, number = text.rpartition(":")
    if not colon:
        host, number = text, str(port)
    if not number.isdigit() or not 0 <= int(number) < 65536:
        raise InputError(f"--listen {text}: give HOST:PORT, such as {ADDRESS}:{port}")
    return host.strip("[]") or ADDRESS, int(number)


def make_exporter(source: Source, host: str, port: int) -> WSGIServer:
    """A server that answers for ``source``; InputError where it cannot listen there."""
    registry = CollectorRegistry()
    registry.register(source)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    try:
        return make_server(host, port, _application(source, make_wsgi_app(registry)), ThreadingWSGIServer, _Quiet)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def serve(server: WSGIServer) -> None:
    """Answer until SIGTERM or SIGINT."""

    def stop(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()  # it waits for the loop that this handler interrupts

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with server:
        server.serve_forever(poll_interval=0.2)


def _application(source: Source, metrics: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _say(start, "405 Method Not Allowed", {"error": "only GET is answered"})
        if path == "/metrics":
            return _measured(metrics, environ, start)
        if path == "/health":
            return _say(start, "200 OK", {"status": "ok"})
        if path == "/ready":
            trouble = source.readiness()
            status = "503 Service Unavailable" if trouble else "200 OK"
            return _say(start, status, {"status": "not ready" if trouble else "ready", "trouble": trouble})
        return _say(start, "404 Not Found", {"error": "there is " + ", ".join(PATHS)})

    return answer


def _measured(
    metrics: Callable[..., Iterable[bytes]], environ: dict[str, Any], start: Callable[..., Any]
) -> Iterable[bytes]:
    """A scrape; where it fails the reason goes to the log and not to whoever asks."""
    try:
        return metrics(environ, start)
    except Exception:
        log.exception("the metrics could not be gathered")
        return _say(start, "500 Internal Server Error", {"error": "the exporter's log says why"})


def _say(start: Callable[..., Any], status: str, body: dict[str, Any]) -> Iterable[bytes]:
    text = json.dumps(body).encode() + b"\n"
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]
