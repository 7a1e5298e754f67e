"""``cape-fed metrics``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

PORT = 9474


def metrics(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A run's out=, or a folder of runs.")],
    listen: Annotated[str, typer.Option(help="Where to listen, HOST:PORT.")] = f"127.0.0.1:{PORT}",
    certificate: Annotated[Path | None, typer.Option(help="The SuperLink's certificate, to show when it ends.")] = None,
) -> None:
    """Show the metrics of runs to Prometheus at /metrics, until it is stopped; /health and /ready are there as well.

    It is a process of its own: it reads the files of the runs, the newest twenty of a folder, and changes nothing. It
    listens on this machine alone unless --listen names another address.

    Example: cape-fed metrics /var/lib/cape-fed/runs --listen 127.0.0.1:9474
    """
    from cape_fed.errors import InputError
    from cape_fed.monitoring.coordinator import CoordinatorCollector
    from cape_fed.monitoring.exporter import make_exporter, parse_listen, serve
    from cape_fed.monitoring.machine import file_expiry
    from cape_fed.monitoring.runs import Runs

    if certificate is not None and file_expiry(certificate) is None:
        raise InputError(f"--certificate {certificate}: holds no certificate that can be read")
    runs = Runs(directory)
    runs.read()
    host, port = parse_listen(listen, PORT)
    server = make_exporter(CoordinatorCollector(runs, certificate), host, port)
    print(f"metrics of {directory}: http://{host}:{server.server_port}/metrics", file=sys.stderr, flush=True)
    serve(server)
