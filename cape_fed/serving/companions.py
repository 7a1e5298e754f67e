"""The services beside that of embeddings, for load balancers and for people: health and reflection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from cape_fed.serving.door import Door, NoMessageError, read_small
from cape_fed.serving.protocol import SERVICE, describe_also, protocol
from cape_fed.serving.refusal import Context, invalid, refusing

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
SERVICES = (SERVICE, HEALTH, reflection.SERVICE_NAME)


def health_handler(servicer: health.aio.HealthServicer, door: Door) -> grpc.GenericRpcHandler:
    """Answers by a servicer what comes through a door."""

    async def check(messages: object, context: Context) -> Any:
        async with refusing(context):
            request = await _message(health_pb2.HealthCheckRequest, door, context)
        return await servicer.Check(request, context)

    async def watch(messages: object, context: Context) -> None:
        async with refusing(context):
            request = await _message(health_pb2.HealthCheckRequest, door, context)
        await servicer.Watch(request, context)

    write = health_pb2.HealthCheckResponse.SerializeToString
    methods = {
        "Check": grpc.stream_unary_rpc_method_handler(check, response_serializer=write),
        "Watch": grpc.stream_stream_rpc_method_handler(watch, response_serializer=write),
    }
    return grpc.method_handlers_generic_handler(HEALTH, methods)


def reflection_handler(door: Door) -> grpc.GenericRpcHandler:
    """Describes all services to whoever asks through a door; a caller that asks nothing more is not waited for."""
    pool = protocol().pool
    for described in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        describe_also(pool, described)
    servicer = reflection.aio.ReflectionServicer(SERVICES, pool=pool)

    async def questions(context: Context) -> AsyncIterator[Any]:
        with suppress(NoMessageError):
            while True:
                yield await _message(reflection_pb2.ServerReflectionRequest, door, context)

    async def info(messages: object, context: Context) -> None:
        async with refusing(context):
            async for answer in servicer.ServerReflectionInfo(questions(context), context):
                await context.write(answer)

    write = reflection_pb2.ServerReflectionResponse.SerializeToString
    methods = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(info, response_serializer=write)}
    return grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, methods)


async def _message(kind: Any, door: Door, context: Context) -> Any:
    try:
        return kind.FromString(await read_small(door, context))
    except DecodeError:
        raise invalid("this is no message of its type") from None
