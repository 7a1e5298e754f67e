"""The codes with which a message ends where it did not end well; no text of a site's leaves it."""

from __future__ import annotations

from enum import IntEnum


class SiteFailure(IntEnum):
    """Error codes of a site's own making; Flower's are below 100."""

    RAISED = 2
    """Flower's code for an exception in a ClientApp."""
    MALFORMED = 101
    INCOMING = 102
    POLICY = 103
    DEADLINE = 104
    SITE_CONFIG = 105
    STORES = 106
    AUDIT = 107
    APP = 108
    ROLE = 110
    """The first of the limits of a site's own policy: each has a code, so that the coordinator can name it."""
    STEPS = 111
    PAUSED = 112
    LEFT = 113
    FEDERATION = 114
    HOURS = 115
    ROUNDS = 116
    ACTION = 117
    LARGE_MESSAGE = 118
    LARGE_REPLY = 119
    LABEL = 120
    SUMS = 121
    PRIVACY = 130
    EPSILON = 131
    LEDGER = 132


WORDS: dict[int, str] = {
    0: "failed for a reason Flower does not know",
    1: "could not load the ClientApp",
    SiteFailure.RAISED: "failed; its own log says why",
    3: "did not answer before the deadline",
    4: "sent an answer that got lost",
    5: "is gone",
    7: "refused the app",
    8: "lost the process that was working",
    SiteFailure.MALFORMED: "could not read the message",
    SiteFailure.INCOMING: "refused the encoder that it was sent",
    SiteFailure.POLICY: "does not do that by its own policy",
    SiteFailure.DEADLINE: "was not done before the deadline",
    SiteFailure.SITE_CONFIG: "has a site.toml that it cannot use; its own log says why",
    SiteFailure.STORES: "cannot use its stores; its own log says why",
    SiteFailure.AUDIT: "cannot write its audit log, without which nothing leaves it",
    SiteFailure.APP: "has not approved this app: its admin can look at it and approve it with 'cape-fed site approve'",
    SiteFailure.ROLE: "is there for evaluation only and does not train",
    SiteFailure.PRIVACY: "does not do that under differential privacy; its own log says why",
    SiteFailure.EPSILON: "has not that much of its privacy.epsilon left",
    SiteFailure.LEDGER: "cannot use its privacy ledger; its own log says why",
    SiteFailure.STEPS: "takes no more steps a round than its limits.local_steps",
    SiteFailure.PAUSED: "is paused by its admin",
    SiteFailure.LEFT: "has left: it takes part in no run",
    SiteFailure.FEDERATION: "does not serve this federation by its limits.federations",
    SiteFailure.HOURS: "begins no work at this time of day by its limits.hours",
    SiteFailure.ROUNDS: "has begun as many rounds today as its limits.rounds_per_day allows",
    SiteFailure.ACTION: "does not do all that was asked by its limits.actions",
    SiteFailure.LARGE_MESSAGE: "takes no message as large as that by its limits.message_mb",
    SiteFailure.LARGE_REPLY: "sends no reply as large as that by its limits.message_mb",
    SiteFailure.LABEL: "lets nothing out on a label that is not among its limits.labels",
    SiteFailure.SUMS: "gives sums over named dimensions of an embedding only, and over the same ones throughout a run",
}
"""What a code says of a site, after its name."""


FAILING = frozenset(
    {1, 8}
    | {SiteFailure.RAISED, SiteFailure.MALFORMED, SiteFailure.INCOMING, SiteFailure.SITE_CONFIG, SiteFailure.STORES}
    | {SiteFailure.AUDIT}
)
"""Codes of a site that cannot do what it is asked, again and again; not of one that may not, is late or is away."""


FLOWERS = {0: "unknown", 1: "no_app", 3: "expired", 4: "lost", 5: "gone", 7: "app_refused", 8: "process_lost"}
"""Names of Flower's own codes."""


def failure_name(code: int | None) -> str:
    """A code in one word, of which there are few; ``no_reply`` where there was neither reply nor code."""
    if code is None:
        return "no_reply"
    names = {failure.value: failure.name.lower() for failure in SiteFailure}
    return names.get(code) or FLOWERS.get(code, "unknown")


def describe(code: int) -> str:
    """A code in words."""
    return WORDS.get(code, f"failed with code {code}")
