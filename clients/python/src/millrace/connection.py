"""How a server is reached: address, TLS, token, and one gRPC channel per use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from millrace.errors import MillraceError, UsageError
from millrace.tls import Tls
from millrace.v1 import batch_pb2 as pb

_Response = TypeVar("_Response", bound=Message)

_SERVICE: Final = "/millrace.v1.BatchService/"
_UNARY_TIMEOUT_SECONDS: Final = 10.0
_TOKEN: Final = re.compile(r"[!-~]+")

_CHANNEL_OPTIONS: Final[Sequence[tuple[str, Any]]] = (
    # A TCP connection of its own: by default all channels of a process to one server share one.
    ("grpc.use_local_subchannel_pool", 1),
    # Fewer, larger reads: a twentieth less CPU for a stream of 1 MiB frames.
    ("grpc.experimental.tcp_min_read_chunk_size", 1 << 20),
    ("grpc.experimental.tcp_read_chunk_size", 1 << 20),
    ("grpc.experimental.tcp_max_read_chunk_size", 4 << 20),
    # A server that vanished without a word is noticed, also while a stream waits.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Our own back-off decides when to try again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
)

#: The process that gRPC was first used in.
_grpc_pid: int | None = None


class Connection:
    """One server. Opens a channel for each use, so that a connection object itself holds nothing open."""

    def __init__(self, server: str, tls: Tls | None, token: str | None) -> None:
        self.server = server
        self.tls = tls
        #: Whether the server may be asked to share its memory; False once that turned out not to be possible.
        self.may_share_memory = server.startswith("unix:")
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    def open_channel(self) -> grpc.Channel:
        """A channel with a connection of its own; the caller closes it. Raises ERR_CLOSED in a forked process."""
        refuse_after_fork()
        if self.tls is None:
            return grpc.insecure_channel(self.server, _CHANNEL_OPTIONS)
        return grpc.secure_channel(self.server, self.tls.credentials(), _CHANNEL_OPTIONS)

    def list_datasets(self) -> pb.ListDatasetsResponse:
        """The splits that the server has. Raises grpc.RpcError."""
        return self._unary("ListDatasets", pb.ListDatasetsRequest(), pb.ListDatasetsResponse)

    def get_dataset(self, dataset: str, split: str) -> pb.GetDatasetResponse:
        """One split. Raises grpc.RpcError."""
        return self._unary("GetDataset", pb.GetDatasetRequest(dataset=dataset, split=split), pb.GetDatasetResponse)

    def stream_batches(self, channel: grpc.Channel, request: pb.StreamBatchesRequest) -> Any:
        """An iterable call of encoded BatchFrames, which are left for the reader to decode."""
        call: Any = channel.unary_stream(
            _SERVICE + "StreamBatches",
            request_serializer=pb.StreamBatchesRequest.SerializeToString,
            response_deserializer=None,
        )
        return call(request, metadata=self._metadata)

    def stream_shared_batches(self, channel: grpc.Channel, requests: Iterator[bytes]) -> Any:
        """An iterable call of encoded SharedFrames; `requests` are encoded StreamSharedBatchesRequests."""
        call: Any = channel.stream_stream(_SERVICE + "StreamSharedBatches", None, None)
        return call(requests, metadata=self._metadata)

    def _unary(self, method: str, request: Message, response: type[_Response]) -> _Response:
        with self.open_channel() as channel:
            call: Any = channel.unary_unary(
                _SERVICE + method,
                request_serializer=type(request).SerializeToString,
                response_deserializer=response.FromString,
            )
            answer: _Response = call(request, timeout=_UNARY_TIMEOUT_SECONDS, metadata=self._metadata)
            return answer


def connections_to(servers: str | Sequence[str], tls: Tls | None, token: str | None) -> list[Connection]:
    """One connection a server. Raises UsageError when there is none, or when a token cannot be one, or would go over a network in
    plain text.
    """
    names = [servers] if isinstance(servers, str) else list(servers)
    if not names or not all(names):
        raise UsageError("servers", "expected at least one host:port or unix:/path")
    if token is not None and not _TOKEN.fullmatch(token):
        raise UsageError(
            "token", "expected what `millrace token new` printed, with nothing around it: read_text().strip()"
        )
    for name in names:
        if token is not None and tls is None and not _is_local(name):
            raise UsageError("token", f"would go to {name} in plain text; pass tls=Tls(root_certificates=…) too")
    return [Connection(name, tls, token) for name in names]


def _is_local(server: str) -> bool:
    return server.startswith(("unix:", "localhost:", "127.", "[::1]:"))


def refuse_after_fork() -> None:
    """Raises ERR_CLOSED when gRPC was used in the process that this one was forked from: its threads did not come along."""
    global _grpc_pid
    if _grpc_pid is None:
        _grpc_pid = os.getpid()
    if _grpc_pid != os.getpid():
        raise MillraceError(
            "ERR_CLOSED",
            f"process {os.getpid()} was forked from {_grpc_pid}, which uses gRPC, and gRPC does not survive a fork: "
            "use DataLoader(num_workers=0), as the stream prefetches by itself, or start processes with "
            "multiprocessing.get_context('spawn')",
        )
