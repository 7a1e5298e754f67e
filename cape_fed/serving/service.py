"""The six methods of the Open Inference Protocol, and how whatever goes wrong in them is answered."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from importlib.metadata import version
from math import inf
from time import monotonic, perf_counter
from typing import Any

import grpc

from cape_fed.serving.door import Door, NoMessageError, read, read_small
from cape_fed.serving.protocol import SERVICE, protocol
from cape_fed.serving.refusal import Context, RefusedError, refuse
from cape_fed.serving.requests import ECG, EMBEDDING, FS, parse
from cape_fed.serving.work import Work
from cape_fed.signal.leads import LEADS

log = logging.getLogger(__name__)

SERVER = "cape-fed"
PLATFORM = "cape-fed_pytorch"


class InferenceService:
    """Answers requests given as bytes, so that bytes that are no message are answered like any other bad request."""

    def __init__(self, work: Work, side: Door) -> None:
        """``side`` is the door for requests that are no work."""
        self.work = work
        self.side = side

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server of grpc.aio calls for the methods of the protocol.

        To gRPC they take streams of messages, because it calls these before it has received any; a client cannot tell.
        """
        answers: dict[str, Callable[[Any], Any]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
        }
        methods = {
            name: grpc.stream_unary_rpc_method_handler(self._simple(name, answer)) for name, answer in answers.items()
        }
        methods["ModelInfer"] = grpc.stream_unary_rpc_method_handler(self.model_infer)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    @property
    def is_ready(self) -> bool:
        """Whether requests are accepted."""
        return not self.work.admission.closed

    async def model_infer(self, messages: object, context: Context) -> bytes:
        """Embeddings of the recordings in a ModelInferRequest."""
        begin, size, code = perf_counter(), 0, "CANCELLED"
        remaining = context.time_remaining()
        deadline = inf if remaining is None else monotonic() + remaining
        try:
            self.work.admission.check_open()  # before others are waited for
            with ExitStack() as held:
                async with self.work.door.turn():
                    content = await read(context)
                    begin, size = perf_counter(), len(content)
                    place = held.enter_context(self.work.admission.admit(size))
                answer = await self.work.answer(content, place, deadline)
            code = "OK"
            return answer
        except NoMessageError as ended:  # its client went away, or began a message over the limit
            await refuse(context, ended)
        except RefusedError as refused:
            code = refused.code.name
            await refuse(context, refused)
        except asyncio.CancelledError:  # the client is gone, or gRPC has seen its deadline pass
            code = "DEADLINE_EXCEEDED" if deadline <= monotonic() else code
            raise
        except Exception as error:
            code = "INTERNAL"
            await refuse(context, _internal(error))
        finally:
            self.work.tally.add_request(code, size, perf_counter() - begin)

    def _simple(self, name: str, answer: Callable[[Any], dict[str, Any]]) -> Callable[..., Awaitable[bytes]]:
        """A method that answers at once."""

        async def method(messages: object, context: Context) -> bytes:
            try:
                fields = answer(parse(name, await read_small(self.side, context)))
            except RefusedError as refused:
                await refuse(context, refused)
            except Exception as error:
                await refuse(context, _internal(error))
            done: bytes = protocol().methods[name].response(**fields).SerializeToString()
            return done

        return method

    def _server_live(self, request: Any) -> dict[str, Any]:
        return {"live": True}

    def _server_ready(self, request: Any) -> dict[str, Any]:
        return {"ready": self.is_ready}

    def _model_ready(self, request: Any) -> dict[str, Any]:
        self.work.check_model(request.name, request.version)
        return {"ready": self.is_ready}

    def _server_metadata(self, request: Any) -> dict[str, Any]:
        return {"name": SERVER, "version": version("cape-fed"), "extensions": []}

    def _model_metadata(self, request: Any) -> dict[str, Any]:
        self.work.check_model(request.name, request.version)
        return {
            "name": self.work.name,
            "versions": [self.work.version],
            "platform": PLATFORM,
            "inputs": [
                {"name": ECG, "datatype": "FP32", "shape": [-1, len(LEADS), -1]},
                {"name": FS, "datatype": "FP64", "shape": [1]},
            ],
            "outputs": [{"name": EMBEDDING, "datatype": "FP32", "shape": [-1, self.work.encoder.dim]}],
        }


def _internal(error: Exception) -> RefusedError:
    """What a client hears of a fault of the server's own; the log has where, but not the error's text.

    That text may have numbers of a recording.
    """
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("a request failed with %s:\n%s", type(error).__name__, where)
    return RefusedError(grpc.StatusCode.INTERNAL, "the server failed; its log says where")
