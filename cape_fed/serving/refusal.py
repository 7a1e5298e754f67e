"""An answer that is no embedding."""

from __future__ import annotations

import grpc


class RefusedError(Exception):
    """A request is answered with this status code and one line for its client, which stays out of logs."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def invalid(text: str) -> RefusedError:
    """The refusal of a request that does not fit."""
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)
