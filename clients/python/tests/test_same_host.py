"""A trainer on the server's machine: over a socket in the file system, with pixels out of the server's memory where that can be had."""

import itertools
import tempfile
from pathlib import Path

import grpc
import pytest
from conftest import Server, StartServer, assert_all_same, run_millrace, stream_of
from odd_server import odd_server
from program import start_program

import millrace
from millrace import shared_frames
from millrace.v1 import batch_pb2 as pb

NUM_EPOCHS = 20


@pytest.fixture(scope="module")
def expected(server):
    with millrace.connect(server.address) as client:
        return list(stream_of(client, epochs=NUM_EPOCHS))


@pytest.fixture
def socket():
    """An address of a socket that is not there yet."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"unix:{folder}/socket"


@pytest.fixture(autouse=True)
def _nothing_is_left_in_memory():
    before = sorted(Path("/dev/shm").iterdir())
    yield
    assert sorted(Path("/dev/shm").iterdir()) == before
    assert not is_memory_shared()


def is_memory_shared() -> bool:
    """Whether this process has a server's memory."""
    return "memfd:millrace" in Path("/proc/self/maps").read_text()


def is_shared_while(stream) -> bool:
    """Takes its first batch."""
    next(stream)
    return is_memory_shared()


@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_batches_out_of_its_memory_are_those_of_the_wire(server, unix_server, connections, dtype):
    def stream(address):
        transform = millrace.Transform(crop_size=24, mirror=True, dtype=dtype)
        client = millrace.connect(address)
        return client.stream("noise", "train", 50, epochs=3, connections=connections, transform=transform)

    shared = stream(unix_server.address)
    first = next(shared)
    assert is_memory_shared()
    assert_all_same([first, *shared], stream(server.address))


def test_where_the_memory_cannot_be_opened_pixels_come_over_the_socket(unix_server, monkeypatch, expected):
    def refuse(memory):
        raise PermissionError(memory.path)

    monkeypatch.setattr(shared_frames, "_open_memory", refuse)
    reconnects = []
    with millrace.connect(unix_server.address, on_reconnect=reconnects.append) as client:
        assert not is_shared_while(stream_of(client, epochs=NUM_EPOCHS))
        assert_all_same(stream_of(client, 2, NUM_EPOCHS), expected)
    assert reconnects == []


def test_the_memory_of_another_process_is_not_taken_for_it(unix_server, socket, expected):
    def other_nonce(messages):
        for message in messages:
            frame = pb.SharedFrame.FromString(message) if b"/proc/" in message else None
            if frame is not None:
                frame.memory.nonce = bytes(16)
            yield message if frame is None else frame.SerializeToString()

    with odd_server(unix_server.address, other_nonce, socket) as address, millrace.connect(address) as client:
        assert not is_shared_while(stream_of(client, epochs=NUM_EPOCHS))
        assert_all_same(stream_of(client, epochs=NUM_EPOCHS), expected)


def test_a_server_that_shares_no_memory_sends_pixels(server, expected):
    with millrace.connect(server.address) as client:
        client._connections[0].may_share_memory = True
        assert_all_same(stream_of(client, epochs=NUM_EPOCHS), expected)
        assert not client._connections[0].may_share_memory


def test_a_frame_that_was_written_again_while_it_was_read_is_asked_for_again(unix_server, socket, expected):
    count = itertools.count()

    def move_the_header(messages):
        for message in messages:
            frame = pb.SharedFrame.FromString(message)
            if next(count) == 30:
                frame.header_at += 1
            yield frame.SerializeToString()

    reconnects = []
    with (
        odd_server(unix_server.address, move_the_header, socket) as address,
        millrace.connect(address, on_reconnect=reconnects.append) as client,
    ):
        assert_all_same(stream_of(client, epochs=NUM_EPOCHS), expected)
    assert "took its memory back while it was read" in reconnects[0].reason


@pytest.mark.parametrize("connections", [1, 2])
def test_a_server_killed_loses_nothing_and_leaves_nothing(start_server: StartServer, socket, expected, connections):
    first, second = start_server("--listen", socket), start_server("--listen", f"{socket}-2")
    reconnects = []
    with millrace.connect([first.address, second.address], on_reconnect=reconnects.append) as client:
        stream = stream_of(client, connections, NUM_EPOCHS)
        got = list(itertools.islice(stream, 13))
        assert is_memory_shared()
        first.kill()
        got += stream
    assert reconnects[0].server == first.address
    assert_all_same(got, expected)


def num_streams(server: Server) -> int:
    """That are open at the server."""
    with grpc.insecure_channel(server.address) as channel:
        ask = channel.unary_unary(
            "/millrace.v1.BatchService/GetStatus",
            pb.GetStatusRequest.SerializeToString,
            pb.GetStatusResponse.FromString,
        )
        return len(ask(pb.GetStatusRequest()).streams)


def test_a_trainer_killed_gives_its_memory_back(unix_server, expected):
    code = """
        import sys, millrace
        client = millrace.connect(sys.argv[1])
        streams = [client.stream("noise", "train", 8, seed=seed, connections=2, prefetch_bytes=0) for seed in range(4)]
        for stream in streams:
            next(stream)
        print("memfd:millrace" in open("/proc/self/maps").read(), flush=True)
        sys.stdin.read()
    """
    with start_program(code, unix_server.address) as trainer:
        assert trainer.stdout.readline() == "True\n"
        assert num_streams(unix_server) == 8
        trainer.kill()
    while num_streams(unix_server) > 0:
        pass
    with millrace.connect(unix_server.address) as client:
        assert_all_same(stream_of(client, epochs=NUM_EPOCHS), expected)


def test_streams_out_of_memory_count_for_a_token(start_server: StartServer, socket, tmp_path):
    tokens = tmp_path / "tokens.txt"
    token = run_millrace("token", "new", "trainer", "--tokens", str(tokens), "--streams", "1").strip()
    server = start_server("--listen", socket, "--tokens", str(tokens))
    with millrace.connect(server.address, token=token, give_up_seconds=0) as client:
        kept = stream_of(client, epochs=NUM_EPOCHS)
        assert is_shared_while(kept)
        with pytest.raises(millrace.MillraceError, match="streams=1"):
            next(stream_of(client, epochs=NUM_EPOCHS))
        kept.close()
