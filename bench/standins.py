"""Idle sites without stores or ClientApps: each asks a SuperLink for messages as often as a real one that has none.

Run as ``python -m bench.standins ADDRESS CERTIFICATE SECONDS KEY...``; all sites are threads of this process.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from time import sleep
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.supernode.fleet_http_connection import http_request_response


def stand_in(address: str, certificate: str, seconds: float, key: Path, connected: threading.Semaphore) -> None:
    """Be an idle site with a pause of ``seconds`` between looks for a message."""
    private = cast(ec.EllipticCurvePrivateKey, load_ssh_private_key(key.read_bytes(), None))
    with http_request_response(address, False, certificate, (private, private.public_key())) as connection:
        connected.release()
        while True:
            connection[1]()
            sleep(seconds)


def main(address: str, certificate: str, seconds: str, *keys: str) -> None:
    connected = threading.Semaphore(0)
    for key in keys:
        arguments = (address, certificate, float(seconds), Path(key), connected)
        threading.Thread(target=stand_in, args=arguments, daemon=True).start()
        sleep(float(seconds) / len(keys))  # so that they do not ask all at once
    for _ in keys:
        connected.acquire()
    print("connected", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
