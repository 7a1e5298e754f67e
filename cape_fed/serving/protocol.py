"""Messages and methods of the Open Inference Protocol, compiled from its interface file when they are first needed."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

INTERFACE = Path(__file__).with_name("open_inference_grpc.proto")
SERVICE = "inference.GRPCInferenceService"


class Method(NamedTuple):
    """The message classes of one method."""

    request: type[Any]
    response: type[Any]


class Protocol(NamedTuple):
    """What the interface file describes, apart from all other descriptions of the same protocol in this process."""

    pool: DescriptorPool
    methods: dict[str, Method]


@cache
def protocol() -> Protocol:
    """The compiled interface, in a descriptor pool of its own.

    The process-wide pool takes one description of a package only: Triton's client there describes ``inference`` too.
    """
    pool = DescriptorPool()
    for file in compile_interface(INTERFACE).file:
        pool.Add(file)
    service = pool.FindServiceByName(SERVICE)
    methods = {
        method.name: Method(GetMessageClass(method.input_type), GetMessageClass(method.output_type))
        for method in service.methods
    }
    return Protocol(pool, methods)


def compile_interface(file: Path) -> FileDescriptorSet:
    """What protoc makes of an interface file; RuntimeError where that is nothing."""
    with tempfile.TemporaryDirectory(prefix="cape-fed-serve-") as scratch:
        shutil.copy(file, scratch)  # protoc takes a colon in a path for the end of one path
        out = Path(scratch) / "descriptors"
        if protoc.main(["protoc", f"--proto_path={scratch}", f"--descriptor_set_out={out}", file.name]):
            raise RuntimeError(f"protoc cannot compile {file.name}")
        return FileDescriptorSet.FromString(out.read_bytes())


def describe_also(pool: DescriptorPool, descriptor: Any) -> None:
    """Add a generated module's file, such as that of the health service, to ``pool``, for reflection to find it."""
    file = FileDescriptorProto()
    descriptor.CopyToProto(file)
    pool.Add(file)
