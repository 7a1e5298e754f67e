"""Proxies between a site and its SuperLink, as the environment names them."""

from __future__ import annotations

import os
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from cape_fed.loopback import LOOPBACK


def proxy_for(host: str) -> tuple[str, int] | None:
    """Host and port of the proxy that requests to ``https://host`` go through, or None."""
    proxies = getproxies_environment()
    url = proxies.get("https") or proxies.get("all")
    if not url or proxy_bypass(host):
        return None
    parts = urlsplit(url if "//" in url else f"http://{url}")
    return (parts.hostname, parts.port or 8080) if parts.hostname else None


def without_proxy_on_loopback() -> dict[str, str]:
    """Variables under which no proxy comes between the processes of this machine.

    A SuperNode and its helpers speak HTTP over loopback, and a proxy would answer in their place.
    """
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if given.strip() == "*":
        return {}
    names = [name.strip() for name in given.split(",") if name.strip()]
    both = ",".join([*names, *(name for name in LOOPBACK if name not in names)])
    return {"NO_PROXY": both, "no_proxy": both}
