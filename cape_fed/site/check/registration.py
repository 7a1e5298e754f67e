"""Whether the coordinator knows a site's key, and whether somebody else uses it."""

from __future__ import annotations

from cape_fed.federation.keys import fingerprint
from cape_fed.site.check.finding import Finding, Subject, failed, passed, waiting, warning
from cape_fed.site.check.key import load_key
from cape_fed.site.fleet import Fleet, FleetRefusalError

GATEWAY = (502, 503, 504)
LATER = "the coordinator's machine answers, its SuperLink does not: try again, or tell the coordinator"


def check_registered(subject: Subject) -> Finding:
    """The key is registered at this SuperLink; both speak the same version of Flower."""
    access = subject.access
    key = load_key(access.key)
    fleet = Fleet(access, key)
    try:
        registered = fleet.is_registered()
    except (FleetRefusalError, ConnectionError) as error:
        return _refusal(error, access.address)
    shown = fingerprint(key.public_key())
    if not registered:
        return failed(
            f"{access.address} does not know the key with the fingerprint {shown}",
            "send its public half, the file that ends in .pub, to the coordinator, who registers it; "
            "a key that was unregistered once cannot come back: make a new one by cape-fed site enrol --new-key",
        )
    if fleet.version_trouble:
        return failed(
            f"{access.address} runs another Flower: {fleet.version_trouble}", "install the version of the coordinator"
        )
    return passed(f"the key with the fingerprint {shown} is registered at {access.address}")


def check_free(subject: Subject) -> Finding:
    """No other process is online with this key."""
    access = subject.access
    try:
        free = Fleet(access, load_key(access.key)).is_free()
    except (FleetRefusalError, ConnectionError) as error:
        return _refusal(error, access.address)
    if free:
        return passed("no process is online with this key")
    return warning(
        "a process is online with this key",
        "that is as it should be if this site's service is running or was killed less than a minute ago; "
        "else somebody has the key: tell the coordinator to unregister it, and make a new one",
    )


def _refusal(error: FleetRefusalError | ConnectionError, address: str) -> Finding:
    if isinstance(error, ConnectionError):
        return waiting(f"{address} does not answer now ({error})", "try again in a minute")
    if error.status in GATEWAY:
        return waiting(f"{address} answers with HTTP {error.status}", LATER)
    if error.status == 401:
        return failed(
            f"{address} refuses the signature of this site",
            "check that this machine's clock is right, and that site.toml names the right key",
        )
    return failed(
        f"{address} answers with HTTP {error.status}, which no SuperLink for sites would",
        "check superlink.address: it has to be the one that the coordinator opened to sites",
    )
