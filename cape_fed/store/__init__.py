"""The packed cohort store."""

from cape_fed.store.store import Store, open_store, write_store

__all__ = ["Store", "open_store", "write_store"]
