"""``federation.html``: how a federation went, on one page."""
