"""Whether a site can reach its SuperLink, asked before the SuperNode starts so that the answer is one line."""

from __future__ import annotations

import ssl
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPSConnection
from time import time

from cape_fed.errors import InputError
from cape_fed.site.config import SuperLinkAccess

SECONDS = 10.0
AHEAD, BEHIND = 6.0, 300.0
"""Seconds by which a site's clock may differ: Flower refuses what seems signed over 5 s from now or 305 s ago."""


def check_reach(access: SuperLinkAccess) -> str | None:
    """None where the SuperLink answers, else why it does not now, which may pass.

    InputError for what does not pass by itself: a certificate that is not valid here, clocks that are far apart.
    """
    host, _, port = access.address.rpartition(":")
    try:
        context = ssl.create_default_context(cafile=str(access.certificate))
        connection = HTTPSConnection(host.strip("[]"), int(port), timeout=SECONDS, context=context)
        connection.request("GET", "/health")
        date = connection.getresponse().headers.get("Date")
        connection.close()
    except ssl.SSLCertVerificationError as error:
        raise InputError(
            f"the certificate of {access.address} is not valid: {error.verify_message}; "
            "ask the coordinator, and check this machine's clock"
        ) from error
    except (ssl.SSLError, ValueError) as error:
        raise InputError(f"site.toml: superlink: {access.address} or {access.certificate}: {error}") from error
    except (OSError, HTTPException) as error:
        return f"{access.address} does not answer now ({error}): the SuperNode will go on trying"
    apart = time() - parsedate_to_datetime(date).timestamp() if date else 0.0
    if not -BEHIND < apart < AHEAD:
        word = "ahead of" if apart > 0 else "behind"
        raise InputError(
            f"this machine's clock is {abs(apart):.0f} s {word} that of {access.address}, which would refuse it: "
            "set it by NTP"
        )
    return None
