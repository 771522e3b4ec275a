"""A server that passes on what a real one sends, but not as it came."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from millrace.v1 import batch_pb2 as pb

#: From the encoded frames of one stream to those that are sent.
Alter = Callable[[Iterator[bytes]], Iterator[bytes]]

SERVICE = "millrace.v1.BatchService"


@contextlib.contextmanager
def odd_server(behind: str, alter: Alter, listen: str = "127.0.0.1:0") -> Iterator[str]:
    """Its address, until left. At a socket in the file system it passes on what comes out of shared memory."""
    channel = grpc.insecure_channel(behind)
    server = grpc.server(ThreadPoolExecutor(4))

    def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        call = channel.unary_stream(f"/{SERVICE}/StreamBatches")(request)
        context.add_callback(call.cancel)
        yield from alter(call)

    def shared(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        call = channel.stream_stream(f"/{SERVICE}/StreamSharedBatches")(requests)
        context.add_callback(call.cancel)
        yield from alter(call)

    def dataset(request: bytes, context: grpc.ServicerContext) -> bytes:
        return channel.unary_unary(f"/{SERVICE}/GetDataset")(request)

    handlers = {
        "StreamBatches": grpc.unary_stream_rpc_method_handler(stream),
        "StreamSharedBatches": grpc.stream_stream_rpc_method_handler(shared),
        "GetDataset": grpc.unary_unary_rpc_method_handler(dataset),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port(listen)
    server.start()
    try:
        yield listen if listen.startswith("unix:") else f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
        channel.close()


def frames(change: Callable[[pb.BatchFrame], object]) -> Alter:
    """Changes each frame in place."""

    def alter(messages: Iterator[bytes]) -> Iterator[bytes]:
        for message in messages:
            frame = pb.BatchFrame.FromString(message)
            change(frame)
            yield frame.SerializeToString()

    return alter
