"""The ClientApp of a site: every message is answered, and of what goes wrong only a code leaves."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp

from cape_fed.errors import InputError
from cape_fed.federation.failures import SiteFailure
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
        except InputError as error:
            log.error("%s", error)
            return Message(Error(SiteFailure.SITE_CONFIG), reply_to=message)
        try:
            # PyTorch is imported only when there is work: Flower wants a quick start.
            from cape_fed.site.answering import answer_as

            return answer_as(site, action, message)
        except Exception:  # Flower would send its text, which may hold a path
            log.exception("site %s cannot work", site.name)
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
