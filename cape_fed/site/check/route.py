"""The way from a site to its SuperLink: address, proxy, certificate, clock."""

from __future__ import annotations

import socket
import ssl
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPSConnection
from time import time

from cape_fed.errors import InputError
from cape_fed.expiry import certificate_end, days_left, expiry_words, invalid_words, peer_end
from cape_fed.site.check.finding import Finding, Subject, failed, passed, waiting, warning
from cape_fed.site.check.key import readable
from cape_fed.site.proxy import proxy_for

SECONDS = 10.0
AHEAD, BEHIND = 6.0, 300.0
"""Seconds by which a site's clock may differ: Flower refuses what seems signed over 5 s from now or 305 s ago."""
OUT = "ask your network's administrators to let this machine out to it; nothing needs to be let in"


def check_route(subject: Subject) -> Finding:
    """The address can be resolved and something listens there, directly or behind the proxy."""
    host, port = subject.host, subject.port
    through = proxy_for(host)
    target = through or (host, port)
    try:
        socket.create_connection(target, SECONDS).close()
    except socket.gaierror:
        return waiting(
            f"the name {target[0]} cannot be resolved here", "check superlink.address, and this machine's DNS"
        )
    except TimeoutError:
        return waiting(f"{target[0]}:{target[1]} does not answer within {SECONDS:.0f} s: a firewall may drop it", OUT)
    except ConnectionRefusedError:
        return waiting(
            f"{target[0]}:{target[1]} does not answer now: nothing listens there", "ask the coordinator to start it"
        )
    except OSError as error:
        return waiting(f"{target[0]}:{target[1]} does not answer now ({error.strerror or error})", OUT)
    return passed(f"{host}:{port} can be reached" + (f" by the proxy {through[0]}:{through[1]}" if through else ""))


def check_proxy(subject: Subject) -> Finding:
    """Whether a proxy stands between; on loopback the node itself sees to it that none does."""
    through = proxy_for(subject.host)
    if through is None:
        return passed("no proxy is used")
    return warning(
        f"connections to {subject.host} go through the proxy {through[0]}:{through[1]}",
        f"set NO_PROXY={subject.host} for this service if the machine can reach it directly",
    )


def check_tls(subject: Subject) -> Finding:
    """The certificate is signed by the coordinator's authority, for this name, and lasts."""
    access = subject.access
    readable(access.certificate, "certificate")
    try:
        authority = certificate_end(access.certificate)
    except ValueError as error:
        raise InputError(
            f"superlink.certificate: {access.certificate} is no certificate: copy ca.crt from the kit again"
        ) from error
    try:
        connection = _connect(subject)
        end = peer_end(connection.sock)
        connection.close()
    except ssl.SSLCertVerificationError as error:
        return failed(invalid_words(access.address, error), _tls_remedy(error))
    except (ssl.SSLError, HTTPException) as error:
        return failed(f"{access.address} speaks no TLS ({error})", "check superlink.address and its port")
    except OSError as error:
        return waiting(f"{access.address} broke off ({error})", "try again in a minute")
    told = [
        expiry_words(end, f"the certificate of {access.address}"),
        expiry_words(authority, f"{access.certificate}"),
    ]
    if soon := [words for words in told if words]:
        return warning("; ".join(soon), "ask the coordinator to renew it; the key of your site stays as it is")
    return passed(f"the certificate of {access.address} is good for {days_left(end)} days")


def _tls_remedy(error: ssl.SSLCertVerificationError) -> str:
    text = error.verify_message.lower()
    if "expired" in text or "not yet valid" in text:
        return "check this machine's clock; if it is right, ask the coordinator for cape-fed provision --renew"
    if "hostname" in text or "ip address" in text:
        return "superlink.address has to be a name that the coordinator's federation.yaml gives"
    return "use the ca.crt of the coordinator's kit; if it is that one, somebody may stand in between: tell both sides"


def check_clock(subject: Subject) -> Finding:
    """This machine's clock agrees with the coordinator's: a signature holds a time."""
    access = subject.access
    try:
        connection = _connect(subject)
        connection.request("GET", "/health")
        date = connection.getresponse().headers.get("Date")
        connection.close()
        there = parsedate_to_datetime(date).timestamp() if date else None
    except (OSError, HTTPException, ValueError) as error:
        return waiting(f"{access.address} broke off ({error})", "try again in a minute")
    apart = time() - there if there is not None else 0.0
    if not -BEHIND < apart < AHEAD:
        word = "ahead of" if apart > 0 else "behind"
        return failed(
            f"this machine's clock is {abs(apart):.0f} s {word} that of {access.address}, which would refuse it",
            "set it by NTP",
        )
    return passed(f"agrees with that of {access.address} to {max(1, abs(round(apart)))} s")


def _connect(subject: Subject) -> HTTPSConnection:
    """A connection with a verified certificate, through the proxy where there is one."""
    context = ssl.create_default_context(cafile=str(subject.access.certificate))
    through = proxy_for(subject.host)
    host, port = through or (subject.host, subject.port)
    connection = HTTPSConnection(host, port, timeout=SECONDS, context=context)
    if through:
        connection.set_tunnel(subject.host, subject.port)
    connection.connect()
    return connection
