"""The ClientApp of a site: every message is answered, and of what goes wrong only a code leaves."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp

from cape_fed.errors import InputError
from cape_fed.federation.failures import SiteFailure
from cape_fed.logs import LOG_FILE, TEXT, TextFormatter

if TYPE_CHECKING:  # what cannot be imported is to be told in the site's log, so all else is imported below
    from cape_fed.site.config import SiteConfig

log = logging.getLogger(__name__)


def make_client_app(find_site: Callable[[Context], SiteConfig]) -> ClientApp:
    """A ClientApp whose messages are answered by the site that ``find_site`` reads from the context.

    ``find_site`` raises InputError where the context describes no usable site.
    """
    app = ClientApp()

    def answer(action: str, message: Message, context: Context) -> Message:
        try:
            site = find_site(context)
            # PyTorch is imported only when there is work: Flower wants a quick start.
            from cape_fed.site.answering import answer_as

            if site.own_process:
                os.umask(0o077)  # what a site writes is for its own user
            return answer_as(site, action, message)
        except InputError as error:
            with _log_of(context):
                log.error("%s", error)
            return Message(Error(SiteFailure.SITE_CONFIG), reply_to=message)
        except Exception:  # Flower would send its text, which may hold a path
            with _log_of(context):
                log.exception("this site cannot work")
            return Message(Error(SiteFailure.RAISED), reply_to=message)

    @app.query()
    def join(message: Message, context: Context) -> Message:
        return answer("join", message, context)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        return answer("train", message, context)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        return answer("evaluate", message, context)

    return app


@contextmanager
def _log_of(context: Context) -> Iterator[None]:
    """Log into the ``log.txt`` of the site that the context describes, be the rest of it as wrong as it may."""
    state = context.node_config.get("state")
    if not isinstance(state, str):  # a simulation, whose run has a log, or no site at all
        yield
        return
    try:
        Path(state).mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(Path(state) / LOG_FILE)
    except OSError as error:
        log.error("%s cannot be written: %s", state, error.strerror)
        yield
        return
    handler.setFormatter(TextFormatter(TEXT))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
