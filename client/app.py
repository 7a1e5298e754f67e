"""The Flower ClientApp of a site."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from cape_fed.config import RunConfig
from client.site import SiteConfig, simulated_sites


def make_client_app(find_site: Callable[[Context], SiteConfig]) -> ClientApp:
    """A ClientApp whose messages are answered by the site that ``find_site`` reads out of the context."""
    app = ClientApp()

    @app.query()
    def join(message: Message, context: Context) -> Message:
        from client.handlers import join  # PyTorch is imported only when there is work: Flower wants a quick start

        return join(message, find_site(context))

    @app.train()
    def train(message: Message, context: Context) -> Message:
        from client.handlers import train

        return train(message, find_site(context))

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        from client.handlers import evaluate

        return evaluate(message, find_site(context))

    return app


def _site_of_partition(context: Context) -> SiteConfig:
    """In Flower's simulation: the site whose number the context carries, from the configuration under ``cfg-json``."""
    config = RunConfig.model_validate_json(str(context.run_config["cfg-json"]))
    return simulated_sites(config)[int(context.node_config["partition-id"])]


app = make_client_app(_site_of_partition)
