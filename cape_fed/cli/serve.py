"""``cape-fed serve``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cape_fed.serving.options import Tls

PORT = 8001
METRICS_PORT = 9476


def serve(
    bundle: Annotated[Path, typer.Argument(help="Directory of the bundle, for example runs/fed/bundle.")],
    listen: Annotated[str, typer.Option(help="Where to listen, HOST:PORT.")] = f"127.0.0.1:{PORT}",
    name: Annotated[str, typer.Option(help="What clients call the model.")] = "ecg-encoder",
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or cuda:N.")] = "auto",
    certificate: Annotated[Path | None, typer.Option(help="The server's certificate for TLS, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="The key of that certificate, PEM.")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(help="Authority whose certificate every client has to show, PEM.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine without TLS: recordings are readable.")
    ] = False,
    metrics: Annotated[str | None, typer.Option(help="Where to show metrics to Prometheus, HOST:PORT.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Recordings that are computed at once, at most.")] = 64,
    queue: Annotated[
        int, typer.Option(min=1, help="Recordings accepted and not yet answered, at most; more are refused.")
    ] = 256,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that share the port; one a core and at most 4, one on a GPU, unless given."
        ),
    ] = None,
    max_message: Annotated[int, typer.Option(min=1, max=1024, help="Megabytes of a request, at most.")] = 64,
) -> None:
    """Embed recordings for other software over gRPC, by the Open Inference Protocol (KServe v2), until it is stopped.

    It listens on this machine alone unless --listen names another address, which takes a certificate or --insecure. On
    SIGTERM or Ctrl-C it accepts nothing more, answers what it has accepted, and ends. Needs the extra cape-fed[serve].

    Example: cape-fed serve runs/fed/bundle --listen 127.0.0.1:8001
    """
    from cape_fed.extras import require

    for module in ("grpc", "grpc_tools", "grpc_health", "grpc_reflection", "prometheus_client", "cryptography"):
        require("serve", module, "serve")
    import logging

    from cape_fed.logs import log_to_stderr
    from cape_fed.monitoring.exporter import parse_listen
    from cape_fed.pretrain.device import choose_device
    from cape_fed.serving import run
    from cape_fed.serving.options import MEGABYTE, Limits, Options, usual_processes
    from cape_fed.serving.tls import read_identity

    log_to_stderr(logging.INFO)
    host, port = parse_listen(listen, PORT)
    tls = _tls(host, certificate, key, client_ca, insecure)
    limits = Limits(batch=batch, queue=queue, message=max_message * MEGABYTE)
    shown = None if metrics is None else parse_listen(metrics, METRICS_PORT)
    options = Options(host, port, name, None if tls is None else read_identity(tls), limits, shown)
    chosen = choose_device(device)
    run.serve(bundle, str(chosen), options, processes or usual_processes(chosen.type, limits.threads))


def _tls(host: str, certificate: Path | None, key: Path | None, client_ca: Path | None, insecure: bool) -> Tls | None:
    """The files for TLS; InputError where some are missing, or none is there for a port that others reach."""
    from cape_fed.errors import InputError
    from cape_fed.loopback import LOOPBACK
    from cape_fed.serving.options import Tls

    if certificate is not None and key is not None:
        return Tls(certificate, key, client_ca)
    if certificate is not None or key is not None or client_ca is not None:
        raise InputError("TLS takes --certificate and --key together, and --client-ca only with them")
    if host not in LOOPBACK and not insecure:
        raise InputError(
            f"--listen {host} is reached by others: give --certificate and --key, or --insecure if something else "
            "encrypts"
        )
    return None
