"""The Flower ClientApp of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flwr.app import Context

from cape_fed.site.app import make_client_app

if TYPE_CHECKING:  # imported with the first message: whatever fails then reaches the site's log
    from cape_fed.site.config import SiteConfig


def _site_of_context(context: Context) -> SiteConfig:
    """The site of a SuperNode's ``site.toml``, or in a simulation the one whose number the context carries."""
    if "partition-id" not in context.node_config:
        from cape_fed.site.config import site_from_node_config

        return site_from_node_config(context.node_config)
    from cape_fed.config import RunConfig  # with PyTorch, which a SuperNode imports only when there is work
    from cape_fed.simulation import sites_of

    config = RunConfig.model_validate_json(str(context.run_config["cfg-json"]))
    return sites_of(config)[int(context.node_config["partition-id"])]


app = make_client_app(_site_of_context)
