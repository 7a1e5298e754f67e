"""How much work a server has accepted; what is more than it holds is refused at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from cape_fed.serving.options import Limits
from cape_fed.serving.refusal import RefusedError


class Place:
    """What one request takes up; it grows when the request is read, and is given back when it is answered."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.records = 0
        self.is_taken = True


class Admission:
    """Counts recordings and bytes of accepted requests; may be asked by several threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.records = 0
        self.requests = 0
        self.closed = False
        self.emptied: Callable[[], object] = lambda: None
        """Called when the last request of a closed server is answered."""
        self.bytes = 0
        self._lock = threading.Lock()

    @contextmanager
    def admit(self, size: int) -> Iterator[Place]:
        """A place for a request of ``size`` bytes until it is answered; RefusedError where there is none."""
        place = Place(size)
        with self._lock:
            self.check_open()
            if self.bytes + size > self.limits.bytes_held:
                raise _full(f"{self.limits.bytes_held} bytes")
            self._take(place, 1)
            self.bytes += size
            self.requests += 1
        try:
            yield place
        finally:
            with self._lock:
                place.is_taken = False
                self.records -= place.records
                self.bytes -= size
                self.requests -= 1
                is_last = self.closed and not self.requests
            if is_last:
                self.emptied()

    def grow(self, place: Place, records: int) -> None:
        """Say how many recordings a request has; RefusedError where there is no room for them."""
        with self._lock:
            if place.is_taken:  # and not given up while it was read
                self._take(place, records - place.records)

    def check_open(self) -> None:
        """RefusedError where nothing is accepted any more."""
        if self.closed:
            raise RefusedError(grpc.StatusCode.UNAVAILABLE, "the server is stopping: ask another one")

    def close(self) -> bool:
        """Accept nothing from now on; whether there is nothing left to answer."""
        with self._lock:
            self.closed = True
            return not self.requests

    def _take(self, place: Place, records: int) -> None:
        if self.records + records > self.limits.queue:
            raise _full(f"{self.limits.queue} recordings")
        self.records += records
        place.records += records


def _full(what: str) -> RefusedError:
    return RefusedError(
        grpc.StatusCode.RESOURCE_EXHAUSTED, f"the server holds {what} and takes no more: try again later"
    )
