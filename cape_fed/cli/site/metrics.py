"""``cape-fed site metrics``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cape_fed.monitoring.site import Watched

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
    from cape_fed.monitoring.site import SiteCollector

    site = watched(file)
    host, port = parse_listen(listen, PORT)
    server = make_exporter(SiteCollector(site), host, port)
    print(f"metrics of {site.name}: http://{host}:{server.server_port}/metrics", file=sys.stderr, flush=True)
    serve(server)


def watched(file: Path) -> Watched:
    """What there is to watch at the site that a file describes; InputError as of `cape-fed site`."""
    from cape_fed.monitoring.site import Watched
    from cape_fed.site.node import read_site

    site = read_site(file)
    access = site.superlink
    return Watched(
        site.name,
        site.role,
        site.stores,
        site.state,
        authority=access.certificate if access else None,
        address=access.address if access else None,
    )
