"""The Flower ClientApp of a site."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flwr.app import Context, Error, Message
from flwr.clientapp import ClientApp

from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.federation.failures import SiteFailure
from client.site import SiteConfig, simulated_sites, site_from_node_config

log = logging.getLogger(__name__)


def make_client_app(find_site: Callable[[Context], SiteConfig]) -> ClientApp:
    """A ClientApp whose messages are answered by the site that ``find_site`` reads out of the context."""
    app = ClientApp()

    def answer(action: str, message: Message, context: Context) -> Message:
        """Handle a message; of what goes wrong the coordinator learns a code, the site's log the rest."""
        try:
            site = find_site(context)
        except InputError as error:
            log.error("%s", error)
            return Message(Error(SiteFailure.SITE_CONFIG), reply_to=message)
        try:
            # PyTorch is imported only when there is work: Flower wants a quick start.
            from client.answering import answer_as

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


def _site_of_context(context: Context) -> SiteConfig:
    """Under a SuperNode the site of its ``site.toml``; in a simulation the one whose number the context carries."""
    if "partition-id" not in context.node_config:
        return site_from_node_config(context.node_config)
    config = RunConfig.model_validate_json(str(context.run_config["cfg-json"]))
    return simulated_sites(config)[int(context.node_config["partition-id"])]


app = make_client_app(_site_of_context)
