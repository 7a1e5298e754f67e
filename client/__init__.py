"""The site: Flower ClientApp."""
