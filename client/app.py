"""The Flower ClientApp of a site."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp

from cape_fed.config import RunConfig
from client.site import SiteConfig, simulated_sites

log = logging.getLogger(__name__)

FAILED = 2
"""The error code that Flower gives an exception in a ClientApp."""


def make_client_app(find_site: Callable[[Context], SiteConfig]) -> ClientApp:
    """A ClientApp whose messages are answered by the site that ``find_site`` reads out of the context."""
    app = ClientApp()

    def answer(action: str, message: Message, context: Context) -> Message:
        """Handle a message; of what goes wrong the coordinator learns the kind, the site's log the rest."""
        from client import handlers  # PyTorch is imported only when there is work: Flower wants a quick start

        site = find_site(context)
        try:
            reply: Message = getattr(handlers, action)(message, site)
        except Exception as error:
            log.exception("site %s could not answer", site.name)
            return Message(Error(FAILED, type(error).__name__), reply_to=message)
        return reply

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


def _site_of_partition(context: Context) -> SiteConfig:
    """In Flower's simulation: the site whose number the context carries, from the configuration under ``cfg-json``."""
    config = RunConfig.model_validate_json(str(context.run_config["cfg-json"]))
    return simulated_sites(config)[int(context.node_config["partition-id"])]


app = make_client_app(_site_of_partition)
