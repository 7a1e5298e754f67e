"""``cape-fed site metrics``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

PORT = 9475


def metrics(
    file: Annotated[Path, typer.Argument(help="The site.toml of this hospital.")],
    listen: Annotated[str, typer.Option(help="Where to listen, HOST:PORT.")] = f"127.0.0.1:{PORT}",
) -> None:
    """Show this site's metrics to Prometheus at /metrics, until it is stopped; /health and /ready are there as well.

    A site runs none unless it starts one. It is a process beside the site's node: it reads what the node's messages
    noted in the state directory, the stores' descriptions, certificates, disk and GPUs, and it changes nothing. It
    listens on this machine alone unless --listen names another address.

    Example: cape-fed site metrics /etc/cape-fed/site.toml --listen 127.0.0.1:9475
    """
    from cape_fed.monitoring.exporter import make_exporter, parse_listen, serve
    from cape_fed.monitoring.site import SiteCollector, Watched
    from cape_fed.site.node import read_site

    site = read_site(file)
    access = site.superlink
    watched = Watched(
        site.name,
        site.role,
        site.stores,
        site.state,
        authority=access.certificate if access else None,
        address=access.address if access else None,
    )
    host, port = parse_listen(listen, PORT)
    server = make_exporter(SiteCollector(watched), host, port)
    print(f"metrics of {site.name}: http://{host}:{server.server_port}/metrics", file=sys.stderr, flush=True)
    serve(server)
