"""The coordinator: Flower ServerApp."""
