"""The Flower ClientApp of a site."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client.site import SiteConfig


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
