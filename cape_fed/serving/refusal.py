"""An answer that is no embedding."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn, TypeAlias

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class RefusedError(Exception):
    """A request is answered with this status code and one line for its client, which stays out of logs."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


async def refuse(context: Context, refused: RefusedError) -> NoReturn:
    """Answer a call with its refusal."""
    await context.abort(refused.code, refused.text)
    raise AssertionError("abort returned")


@asynccontextmanager
async def refusing(context: Context) -> AsyncIterator[None]:
    """Answer a call with the refusal that is raised within."""
    try:
        yield
    except RefusedError as refused:
        await refuse(context, refused)


def invalid(text: str) -> RefusedError:
    """The refusal of a request that does not fit."""
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)
